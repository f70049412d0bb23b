import type { Metadata } from 'next';
import { OpenPage } from '@/components/open/open-page';

export const metadata: Metadata = { title: 'Open file' };

export default function Page() {
  return <OpenPage />;
}
