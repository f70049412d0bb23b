import type { Metadata } from 'next';
import { ThreadsPage } from '@/components/threads/threads-page';

export const metadata: Metadata = { title: 'Threads' };

export default async function Page({
  searchParams,
}: {
  readonly searchParams: Promise<{ session?: string }>;
}) {
  const { session } = await searchParams;
  return <ThreadsPage key={session} session={session} />;
}
