/** Processes that belong together: those of a container, or else of a cgroup. */
import type { Profile } from './profile';
import type { ProcessIndex } from './schema';

/**
 * The name of the container that a process is in, or the path of its cgroup where it is in none
 * ('/system.slice/ssh.service'): only paths begin with '/'. '' where neither is known.
 */
export function groupOf(profile: Profile, process: ProcessIndex): string {
  const { container, cgroup } = profile.processes.columns;
  return profile.string(container[process]) || profile.string(cgroup[process]);
}
