import { Banner } from '@/components/ui/banner';
import { formatClock } from '@/components/ui/format';

/** Of a page that keeps its last picture. `sinceMs`: wall clock. */
export function DisconnectedBanner({ sinceMs }: { readonly sinceMs: number }) {
  return (
    <Banner look="warn">
      <strong>Disconnected since {formatClock(sinceMs)}.</strong> This is the last picture that
      came, and stays; other pages can’t be loaded. Trying to connect again; if it doesn’t, check
      that <code>hearth serve</code> is running.
    </Banner>
  );
}
