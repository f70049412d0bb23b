import type { Metadata } from 'next';
import { LatencyPage } from '@/components/latency/latency-page';

export const metadata: Metadata = { title: 'Latency' };

export default async function Page({
  searchParams,
}: {
  readonly searchParams: Promise<{ session?: string }>;
}) {
  const { session } = await searchParams;
  return <LatencyPage key={session} session={session} />;
}
