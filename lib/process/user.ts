/**
 * `user`: gives up root's rights once the sockets are bound. In this version one process
 * does everything, so what it can do afterwards is what that user can do: it reads
 * files, reopens logs and removes the pid file as that user.
 */
import { chownSync, fchownSync } from 'node:fs';
import type { LogFiles } from '../modules/log-files.js';
import type { UserSetting } from '../modules/main.js';
import { bytesOfPath, type TempFiles } from '../proxy/temp-files.js';

/** Somebody to become. */
export interface Identity {
  readonly user: string;
  readonly group: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * Looks the user up. Undefined when there is nothing to change: no `user`, or no right
 * to change it. Throws when the user or the group does not exist.
 */
export function resolveUser(setting: UserSetting | undefined): Identity | undefined {
  if (setting === undefined || process.geteuid?.() !== 0) return undefined;
  const { user, group } = setting;
  const gid = probe(group, 'getgrnam', process.setegid?.bind(process), () => process.getegid?.());
  const uid = probe(user, 'getpwnam', process.seteuid?.bind(process), () => process.geteuid?.());
  return { user, group, uid, gid };
}

/** @types/node leaves it out. */
interface InitGroups {
  initgroups?(user: string, extraGroup: number): void;
}

type SetId = (id: string | number) => void;

/** Node has no getpwnam: the effective id is changed to the name's for a moment and read. */
function probe(name: string, call: string, set: SetId | undefined, get: () => number | undefined): number {
  const before = get();
  if (set === undefined || before === undefined)
    throw new Error('the "user" directive is not supported here');
  try {
    set(name);
  } catch (error) {
    throw new Error(`${call}("${name}") failed`, { cause: error });
  }
  const id = get() ?? before;
  set(before);
  return id;
}

/**
 * Hands over the open logs and the folders that are written to later, which that user may not be
 * able to make, and becomes the user for good.
 */
export function becomeUser(identity: Identity, logs: LogFiles, folders: readonly TempFiles[]): void {
  for (const folder of folders) {
    folder.prepare();
    chownSync(bytesOfPath(folder.path), identity.uid, -1);
  }
  for (const file of logs.files()) {
    if (file.path !== 'stderr' && file.fd >= 0) fchownSync(file.fd, identity.uid, identity.gid);
  }
  (process as InitGroups).initgroups?.(identity.user, identity.gid);
  process.setgid?.(identity.gid);
  process.setuid?.(identity.uid);
}
