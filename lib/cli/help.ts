/** The text of `-h`, made of the table of flags. */
import { FLAGS } from './options.js';

/** Column at which the sentences begin. */
const INDENT = 20;

const EXAMPLES: readonly (readonly [command: string, what: string])[] = [
  ['millrace -p . -c nginx.conf', 'run a configuration file'],
  ['millrace -t -c nginx.conf', 'test it first'],
  ['millrace --from :8080 --to 127.0.0.1:3000 --to 127.0.0.1:3001', 'two backends, no file'],
];

/** Several lines, the last one ended. */
export function helpText(): string {
  const flags = FLAGS.map((row) => {
    const left = row.argument === undefined ? row.flag : `${row.flag} ${row.argument}`;
    return `  ${left.padEnd(INDENT - 3)} ${row.doc}`;
  });
  const examples = EXAMPLES.map(([command, what]) => `  ${command}\n      ${what}`);
  return [
    'Usage: millrace [-htTvVq] [-c FILE] [-p PREFIX] [-e FILE] [-g DIRECTIVES] [-s SIGNAL]',
    '       millrace --from ADDRESS... --to ADDRESS...',
    '',
    ...flags,
    '',
    'Examples:',
    ...examples,
    '',
    'Millrace stays in the foreground. SIGTERM and SIGINT stop it at once, SIGQUIT after the',
    'exchanges that are under way.',
    '',
  ].join('\n');
}
