'use client';

import { useEffect, useState } from 'react';
import { API } from '@/profile/live-protocol';

const ASK_MS = 3000;

/**
 * Whether the server no longer knows this browser; asked while `suspect`, and again and again, since a server that was
 * started anew answers only after a while.
 */
export function useSignedOut(suspect: boolean): boolean {
  const [signedOut, setSignedOut] = useState(false);
  useEffect(() => {
    if (!suspect) {
      setSignedOut(false);
      return;
    }
    const abort = new AbortController();
    const ask = (): void => {
      fetch(`${API}/status`, { signal: abort.signal }).then(
        ({ status }) => setSignedOut(status === 401),
        // No answer at all: then it is the connection.
        () => {},
      );
    };
    ask();
    const timer = setInterval(ask, ASK_MS);
    return () => {
      clearInterval(timer);
      abort.abort();
    };
  }, [suspect]);
  return signedOut;
}
