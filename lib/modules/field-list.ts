/** What `add_header` and `add_trailer` have in common: lists of fields, and how they are inherited. */
import { directive, type Directive, type Settings, type Value } from '../module-api/index.js';
import { argument, HTTP_SERVER_LOCATION } from './rows.js';

/** One field. */
export interface FieldSetting {
  readonly name: string;
  readonly value: Value;
  /** Whether it is added to every status. */
  readonly always: boolean;
}

/** Statuses that fields without `always` are added to. */
export const USUAL_STATUSES: ReadonlySet<number> = new Set([
  200, 201, 204, 206, 301, 302, 303, 304, 307, 308,
]);

/** A row of fields: "name value [always]". */
export function fieldsRow(name: string, doc: string): Directive<readonly FieldSetting[]> {
  return directive<readonly FieldSetting[]>({
    name,
    contexts: HTTP_SERVER_LOCATION,
    args: [2, 3],
    repeat: 'append',
    parse(node, context, previous) {
      const option = node.args[2];
      if (option !== undefined && option.text !== 'always') {
        return context.fail(option, `invalid parameter "${option.text}"`);
      }
      const setting: FieldSetting = {
        name: argument(node, 0).text,
        value: context.compileValue(argument(node, 1)),
        always: option !== undefined,
      };
      return [...(previous ?? []), setting];
    },
    default: [],
    syntax: 'name value [always]',
    defaultText: '-',
    doc,
  });
}

type Inheritance = 'on' | 'off' | 'merge';

/** The row that says how such a list is inherited. */
export function inheritRow(of: string): Directive<Inheritance> {
  const name = `${of}_inherit`;
  return directive<Inheritance>({
    name,
    contexts: HTTP_SERVER_LOCATION,
    args: 1,
    parse(node, context) {
      const at = argument(node, 0);
      if (at.text === 'on' || at.text === 'off' || at.text === 'merge') return at.text;
      return context.fail(at, `invalid value "${at.text}"`);
    },
    default: 'on',
    syntax: 'on | off | merge',
    defaultText: 'on',
    doc: `Whether a block has the \`${of}\` fields of the enclosing one: only where it has none itself, never, or behind its own.`,
  });
}

/** The fields in effect in a block. */
export function fieldsOf(
  settings: Settings,
  row: Directive<readonly FieldSetting[]>,
  inherit: Directive<Inheritance>,
): readonly FieldSetting[] {
  const own = settings.own(row);
  const mode = settings.get(inherit);
  if (settings.outer === undefined || mode === 'off') return own ?? [];
  if (own !== undefined && mode === 'on') return own;
  return [...(own ?? []), ...fieldsOf(settings.outer, row, inherit)];
}
