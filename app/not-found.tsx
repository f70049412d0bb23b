import Link from 'next/link';
import { buttonClass } from '@/components/ui/button';
import { Notice } from '@/components/ui/notice';

export default function NotFound() {
  return (
    <main className="flex min-h-0 flex-1">
      <Notice
        title="There is nothing at this address"
        text="The link may be incomplete, or what it led to was deleted."
        actions={
          <Link href="/" className={buttonClass()}>
            Live view
          </Link>
        }
      />
    </main>
  );
}
