/**
 * `if`: steps that run only where a condition holds, in their place among `set` and
 * `return`. It may hold these three; what would need a configuration of its own
 * (`proxy_pass`, `add_header`) is refused.
 */
import {
  directive,
  type Argument,
  type DirectiveNode,
  type Exchange,
  type Module,
  type ParseContext,
} from '../module-api/index.js';
import { groupNames } from '../util/regex.js';
import { returnRow, setRow, type RewriteStep } from './return.js';
import { MANY } from './rows.js';

type Condition = (exchange: Exchange) => boolean;

/** The words of a condition, without its parentheses. */
function conditionWords(node: DirectiveNode, context: ParseContext): Argument[] {
  const [first] = node.args;
  const last = node.args[node.args.length - 1];
  if (first === undefined || last === undefined || !first.text.startsWith('(') || !last.text.endsWith(')')) {
    return context.fail(first ?? node, `invalid condition "${node.args.map(({ text }) => text).join(' ')}"`);
  }
  const words = node.args.map((at) => ({ ...at }));
  const open = words[0];
  words[0] = { ...open, text: open.text.slice(1) };
  const close = words[words.length - 1];
  words[words.length - 1] = { ...close, text: close.text.slice(0, -1) };
  return words.filter(({ text, quoted }) => text !== '' || quoted);
}

function parseCondition(node: DirectiveNode, context: ParseContext): Condition {
  const [subject, operator, object, ...more] = conditionWords(node, context);
  if (subject !== undefined && /^!?-[fdex]$/.test(subject.text)) {
    return context.fail(subject, `the condition "${subject.text}" is not supported yet`);
  }
  if (subject === undefined || !/^\$[A-Za-z0-9_]+$|^\$\{[A-Za-z0-9_]+\}$/.test(subject.text)) {
    return context.fail(subject ?? node, `invalid condition "${subject?.text ?? ''}"`);
  }
  const value = context.compileValue(subject);
  if (operator === undefined) {
    return (exchange) => {
      const text = value.get(exchange);
      return text !== '' && text !== '0';
    };
  }
  if (object === undefined || more.length > 0) {
    return context.fail(operator, `invalid condition "${operator.text}"`);
  }
  const compared = /^(!?)(=|~\*?)$/.exec(operator.text);
  if (compared === null) return context.fail(operator, `unexpected "${operator.text}" in condition`);
  const wanted = compared[1] === '';
  if (compared[2] === '=') {
    const other = context.compileValue(object);
    return (exchange) => (value.get(exchange) === other.get(exchange)) === wanted;
  }
  const pattern = context.compilePattern(object, object.text, compared[2] === '~*');
  return (exchange) => pattern.test(exchange, value.get(exchange)) === wanted;
}

function parseBlock(node: DirectiveNode, context: ParseContext): readonly RewriteStep[] {
  let steps: readonly RewriteStep[] = [];
  for (const inner of node.block ?? []) {
    const row = [setRow, returnRow].find(({ name }) => name === inner.name);
    if (row === undefined) {
      return context.fail(
        inner,
        `the directive "${inner.name}" inside "if" is not supported yet: only "set" and "return" are`,
      );
    }
    const [min, max] = typeof row.args === 'number' ? [row.args, row.args] : row.args;
    if (inner.args.length < min || inner.args.length > max) {
      return context.fail(inner, `invalid number of arguments in "${inner.name}" directive`);
    }
    steps = row.parse(inner, context, steps);
  }
  return steps;
}

export const ifRow = directive<readonly RewriteStep[]>({
  name: 'if',
  contexts: ['server', 'location'],
  args: [1, MANY],
  block: 'raw',
  repeat: 'append',
  storedAs: returnRow,
  parse(node, context, previous) {
    const condition = parseCondition(node, context);
    return [...(previous ?? []), { condition, steps: parseBlock(node, context) }];
  },
  declares: (node) => groupNames(node.args.map(({ text }) => text).join(' ')),
  default: [],
  syntax: '($variable [= | != | ~ | ~* | !~ | !~*] value) { ... }',
  defaultText: '-',
  doc: 'Runs `set` and `return` where a variable is neither empty nor "0", or where it compares with a text or a regular expression. Tests of files and other directives inside are not supported yet.',
});

/** `if`. */
export const ifModule: Module = { name: 'if', directives: [ifRow] };
