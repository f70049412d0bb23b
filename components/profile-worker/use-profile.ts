'use client';

/** Pages' profile clients, and their state as React sees it. */
import { useEffect, useState, useSyncExternalStore } from 'react';
import { ProfileClient, type ProfileState } from './client';
import { SharedClients } from './shared-clients';

const shared = new SharedClients();

/**
 * The machine as it runs (undefined) or a recording, which the page opens: pages that show the same have one client, and who goes
 * from one to the other finds what is loaded.
 */
export function useSharedProfile(session: string | undefined): ProfileClient {
  // On the server nothing is ever opened.
  const [client] = useState(() =>
    typeof window === 'undefined' ? new ProfileClient() : shared.clientOf(session),
  );
  useEffect(() => shared.hold(client), [client]);
  return client;
}

/** Whether a page's connection to the server is lost; false where none has one. */
export const isDisconnected = (): boolean => shared.isDisconnected;

/** A profile of this page alone. */
export function useOwnProfile(): ProfileClient {
  const [client] = useState(() => new ProfileClient());
  useEffect(() => () => client.dispose(), [client]);
  return client;
}

export function useProfileState(client: ProfileClient): ProfileState {
  return useSyncExternalStore(client.subscribe, client.getState, client.getState);
}
