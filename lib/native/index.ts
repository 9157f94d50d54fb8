/**
 * Loads the addon: the file that node-gyp built, found by `bindings`, or the one that
 * MILLRACE_ADDON names (development builds: sanitizers, kqueue).
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NativeBinding } from './binding.js';
import { loadError } from './load-error.js';

const require = createRequire(import.meta.url);

/** The package's folder, which is two up in a checkout (lib/native) and three when compiled (dist/lib/native). */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}

function load(): NativeBinding {
  const override = process.env['MILLRACE_ADDON'];
  const file = override === '' ? undefined : override;
  try {
    if (file !== undefined) return require(file) as NativeBinding;
    const bindings = require('bindings') as (options: {
      bindings: string;
      module_root: string;
    }) => NativeBinding;
    return bindings({ bindings: 'millrace', module_root: packageRoot() });
  } catch (error) {
    throw loadError(error, file);
  }
}

// Copied, since the exports that an addon fills one by one are looked up by hashing at every call.
/** The addon of this environment. Throws while importing when it cannot be loaded, with what to do. */
export const native: NativeBinding = { ...load() };
