/** The error of an addon that does not load: it says what was tried and what to do, like a page on troubleshooting. */

const BUILD = 'npm rebuild millrace   (in a checkout: npm run build:addon)';

/** What the text of a loader's error tells about the cause, and the remedy. */
const CAUSES: readonly (readonly [RegExp, string])[] = [
  [
    /could not locate the bindings file|cannot find module|no such file/i,
    `The addon was never built: the install script did not run (--ignore-scripts?) or failed.
    Build it:  ${BUILD}
    It needs python3, make and a C++20 compiler (Debian: apt-get install python3 make g++).`,
  ],
  [
    /NODE_MODULE_VERSION|invalid ELF header|wrong ELF class|incompatible architecture|mach-o|Exec format/i,
    `The addon was built for another system or processor; node_modules was copied from there?
    Build it here:  ${BUILD}`,
  ],
  [
    /GLIBC|GLIBCXX|version .* not found|libstdc\+\+/i,
    `The addon was built against newer system libraries than this machine has.
    Build it here:  ${BUILD}`,
  ],
  [
    /undefined symbol|symbol not found/i,
    `This Node lacks a function that the addon needs: Node 20.19 or newer is required, this is ${process.version}.`,
  ],
  [
    /did not self-register|Module did not/i,
    `The file is not Millrace's addon, or it is damaged.
    Build it again:  ${BUILD}`,
  ],
];

/** What went wrong while loading the addon from `file` (or from the usual places), and what to do. */
export function loadError(cause: unknown, file: string | undefined): Error {
  const text = cause instanceof Error ? cause.message : String(cause);
  const advice = CAUSES.find(([pattern]) => pattern.test(text))?.[1] ?? `Build it again:  ${BUILD}`;
  const lines = [
    'Millrace cannot load its native addon (millrace.node).',
    `  system: ${process.platform}-${process.arch}, Node ${process.version}`,
    file === undefined
      ? '  looked in: build/Release of the package'
      : `  file: ${file} (from MILLRACE_ADDON)`,
    `  what to do:`,
    `    ${advice}`,
    `  the loader said: ${text.replaceAll('\n', '\n    ')}`,
  ];
  return new Error(lines.join('\n'), { cause });
}
