/** How far the loading of a profile is, for people. */
import type { ProfileState } from '@/components/profile-worker/client';
import { formatBytes } from '@/components/ui/format';

/** `what`: is being loaded, a sentence. */
export function loadingText({ connection, progress }: ProfileState, what = 'Loading…'): string {
  if (connection === 'connecting' || connection === 'disconnected') return 'Connecting to Hearth…';
  if (progress === undefined) return what;
  const loaded = formatBytes(progress.loadedBytes);
  if (progress.totalBytes === undefined || progress.totalBytes === 0) return `${what} ${loaded}`;
  const share = Math.min(1, progress.loadedBytes / progress.totalBytes);
  return `${what} ${Math.floor(share * 100)}% of ${formatBytes(progress.totalBytes)}`;
}
