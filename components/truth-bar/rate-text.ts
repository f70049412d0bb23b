import type { SamplingRates } from '@/profile/profile';

/** '99 Hz', '11 to 99 Hz' where it was changed; undefined where it is not known. */
export function rateText(rates: readonly Pick<SamplingRates, 'frequencyHz'>[]): string | undefined {
  const known = rates.map(({ frequencyHz }) => frequencyHz).filter((hz) => hz > 0);
  if (known.length === 0) return undefined;
  const [least, most] = [Math.min(...known), Math.max(...known)];
  return least === most ? `${most} Hz` : `${least} to ${most} Hz`;
}
