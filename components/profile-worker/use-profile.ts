'use client';

/** One profile client per page, and its state as React sees it. */
import { useEffect, useState, useSyncExternalStore } from 'react';
import { ProfileClient, type ProfileState } from './client';

export function useProfileClient(): ProfileClient {
  const [client] = useState(() => new ProfileClient());
  useEffect(() => () => client.dispose(), [client]);
  return client;
}

export function useProfileState(client: ProfileClient): ProfileState {
  return useSyncExternalStore(client.subscribe, client.getState, client.getState);
}
