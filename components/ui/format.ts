/** Numbers as people read them. Widths stay about the same while a number changes, so that nothing jumps. */

const COUNT = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const CLOCK = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });
const DAY = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });

/** 1234567 -> '1,234,567'. */
export function formatCount(count: number): string {
  return COUNT.format(count);
}

/** 950 -> '950', 12345 -> '12.3k', 4.2e6 -> '4.20M'. */
export function formatShortCount(count: number): string {
  if (count < 1000) return COUNT.format(count);
  for (const [unit, size] of [
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ] as const) {
    if (count >= size * 0.9995) return `${threeDigits(count / size)}${unit}`;
  }
  return COUNT.format(count);
}

/** A share of 1 -> '12.3%'. Neither 0% nor 100% is said of what isn't exactly that. */
export function formatShare(share: number): string {
  if (share > 0 && share < 0.001) return '<0.1%';
  if (share < 1 && share > 0.999) return '>99.9%';
  return `${(share * 100).toFixed(1)}%`;
}

/** Bytes in units of 1000, in which a budget of memory is given, too: '0 B', '1.50 MB'. */
export function formatBytes(bytes: number): string {
  let [size, unit] = [bytes, 0];
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${unit === 0 ? COUNT.format(size) : threeDigits(size)} ${units[unit]}`;
}

/** Milliseconds as a length of time: '350 ms', '12.3 s', '2 min 05 s', '1 h 02 min'. */
export function formatDuration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

/** Milliseconds as a stop watch shows them: '0:07', '12:30', '1:02:03'. */
export function formatElapsed(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const rest = two(seconds % 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

/** A time of day, local: '14:03:22'. */
export function formatClock(timeMs: number): string {
  return CLOCK.format(timeMs);
}

/** Day and time, local, the day only where it isn't today's: '14:03:22', '3 Nov 2026, 14:03:22'. */
export function formatWhen(timeMs: number, nowMs: number): string {
  const day = DAY.format(timeMs);
  return day === DAY.format(nowMs)
    ? `Today, ${CLOCK.format(timeMs)}`
    : `${day}, ${CLOCK.format(timeMs)}`;
}

function threeDigits(value: number): string {
  return value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
