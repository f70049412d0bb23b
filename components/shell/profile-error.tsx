import type { ReactNode } from 'react';
import { WarnIcon } from '@/components/ui/icons';
import { Notice } from '@/components/ui/notice';

export function SignedOut() {
  return (
    <Notice
      icon={<WarnIcon />}
      title="This browser is not signed in"
      text={
        <>
          Open the link that <code className="font-mono">hearth serve</code> printed in its
          terminal. It holds a token that signs this browser in.
        </>
      }
    />
  );
}

export function ProfileError({
  title,
  error,
  actions,
}: {
  readonly title: string;
  readonly error: string;
  readonly actions?: ReactNode;
}) {
  return <Notice icon={<WarnIcon />} title={title} text={error} actions={actions} />;
}
