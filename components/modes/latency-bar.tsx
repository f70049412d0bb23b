import { DEFAULT_LATENCY_VIEW, latencyHref } from '@/components/latency/latency-query';
import { PageLink } from '@/components/shell/page-link';
import { Banner } from '@/components/ui/banner';
import { Button, buttonClass } from '@/components/ui/button';
import { bucketEnd, bucketLow, LAST_BUCKET } from '@/profile/latency/buckets';
import { formatLatency } from '@/profile/latency/format';
import { LATENCY_TEXTS } from '@/profile/latency/sources';
import type { LatencyFilter, View } from '@/profile/view';

/** In mode 'latency': which events are shown, and the ways to all of them and back to their histogram. */
export function LatencyBar({
  view,
  session,
  onView,
}: {
  readonly view: View;
  /** undefined: live. */
  readonly session: string | undefined;
  onView(change: Partial<View>): void;
}) {
  const { latency, range, pids, containers } = view;
  if (latency === undefined) return null;
  const isPart = latency.buckets !== undefined || (session === undefined && range !== undefined);
  return (
    <Banner
      look="calm"
      actions={
        <PageLink
          href={latencyHref(
            { ...DEFAULT_LATENCY_VIEW, ...latency, range, pids, containers },
            session,
          )}
          className={buttonClass()}
        >
          Histogram
        </PageLink>
      }
    >
      <span className="inline-flex flex-wrap items-center gap-x-4 gap-y-0.5">
        <span className="text-ink">
          {filterText(latency)}
          {session === undefined && range !== undefined ? ', of the time that was selected' : ''}
        </span>
        {isPart ? (
          <Button
            className="h-6! px-2!"
            onClick={() =>
              onView({
                latency: { ...latency, buckets: undefined },
                zoom: [],
                ...(session === undefined ? { range: undefined } : {}),
              })
            }
          >
            Show all of them
          </Button>
        ) : null}
        <span className="max-sm:hidden">
          Widths are time in these events; long ones are all there, shorter ones in proportion.
        </span>
      </span>
    </Banner>
  );
}

/** 'File systems: ext4 fsync, from 1.00 ms to 2.00 ms' */
function filterText({ source, label, buckets }: LatencyFilter): string {
  const what = `${LATENCY_TEXTS[source].title}: ${label ?? 'all'}`;
  if (buckets === undefined) return what;
  const text = (ns: number): string => formatLatency(ns, 'nanoseconds');
  const [first, last] = buckets;
  return last === LAST_BUCKET
    ? `${what}, ${text(bucketLow(first))} and more`
    : `${what}, from ${text(bucketLow(first))} to ${text(bucketEnd(last))}`;
}
