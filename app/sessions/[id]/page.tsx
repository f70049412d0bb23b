import type { Metadata } from 'next';
import { SessionPage } from '@/components/session/session-page';

export const metadata: Metadata = { title: 'Recording' };

export default async function Page({ params }: { readonly params: Promise<{ id: string }> }) {
  const { id } = await params;
  return <SessionPage key={id} id={id} />;
}
