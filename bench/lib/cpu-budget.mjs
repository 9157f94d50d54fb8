/**
 * A fixed share of a processor for a process and its children, by the kernel's cpu
 * controller (cgroup v1: cpu.cfs_quota_us, v2: cpu.max). For measurements in which the
 * proxy, not the load or the backend, has to be what is scarce.
 */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Short, so that a process which used up its share does not stand still for long. */
const PERIOD_US = 10_000;

const V1 = ['/sys/fs/cgroup/cpu', '/sys/fs/cgroup/cpu,cpuacct'];
const V2 = '/sys/fs/cgroup';

/** @typedef {{ version: 1 | 2, folder: string }} Controller */

/** @returns {Controller | undefined} */
function findController() {
  const old = V1.find((folder) => existsSync(join(folder, 'cpu.cfs_quota_us')));
  if (old !== undefined) return { version: 1, folder: old };
  const file = join(V2, 'cgroup.controllers');
  const usable = existsSync(file) && readFileSync(file, 'utf8').split(/\s/).includes('cpu');
  return usable ? { version: 2, folder: V2 } : undefined;
}

/** Why no budgets can be given here; undefined when they can. */
export function whyNoBudget() {
  const controller = findController();
  if (controller === undefined) return 'there is no cpu controller of cgroups';
  try {
    accessSync(controller.folder, constants.W_OK);
    const probe = createBudget(0.5);
    void probe.remove();
    return undefined;
  } catch (error) {
    return `cgroups cannot be made (${error instanceof Error ? error.message : String(error)})`;
  }
}

let number = 0;

/**
 * @param {number} share of one processor, above 0
 * @returns {{ add: (pid: number) => void, remove: () => Promise<void> }} `remove` waits until
 *   the processes are gone, for a second
 */
export function createBudget(share) {
  const controller = findController();
  if (controller === undefined) throw new Error('no cpu controller');
  const folder = join(controller.folder, `millrace-bench-${process.pid}-${number++}`);
  const quota = String(Math.round(share * PERIOD_US));
  if (controller.version === 2) writeFileSync(join(V2, 'cgroup.subtree_control'), '+cpu');
  mkdirSync(folder);
  if (controller.version === 2) writeFileSync(join(folder, 'cpu.max'), `${quota} ${PERIOD_US}`);
  else {
    writeFileSync(join(folder, 'cpu.cfs_period_us'), String(PERIOD_US));
    writeFileSync(join(folder, 'cpu.cfs_quota_us'), quota);
  }
  return {
    add: (pid) => writeFileSync(join(folder, 'cgroup.procs'), String(pid)),
    remove: async () => {
      for (let i = 0; ; i++) {
        try {
          return rmdirSync(folder);
        } catch (error) {
          if (i === 20) throw error;
          await sleep(50);
        }
      }
    },
  };
}
