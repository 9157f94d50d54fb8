/**
 * Makers of directive rows for the usual kinds of values (flag, size, time, number,
 * text), and the messages for a bad argument. A row with a grammar of its own is
 * written out where its feature lives and uses the helpers at the end of this file.
 */
import {
  directive,
  type Argument,
  type Context,
  type Directive,
  type DirectiveNode,
  type ParseContext,
  type ReloadClass,
} from '../module-api/index.js';
import { parseFlag, parseSize, parseTimeMs } from '../util/units.js';

/** The contexts of most HTTP directives. */
export const HTTP_SERVER_LOCATION: readonly Context[] = ['http', 'server', 'location'];
/** Directives that belong to a connection before its location is known. */
export const HTTP_SERVER: readonly Context[] = ['http', 'server'];

/** More arguments than anybody writes: "one or more". */
export const MANY = 1000;

interface RowOptions {
  readonly contexts?: readonly Context[];
  readonly reload?: ReloadClass;
}

function common(
  options: RowOptions | undefined,
): Pick<Directive<unknown>, 'contexts'> & Partial<Pick<Directive<unknown>, 'reload'>> {
  const contexts = options?.contexts ?? HTTP_SERVER_LOCATION;
  return options?.reload === undefined ? { contexts } : { contexts, reload: options.reload };
}

/** `on | off`. */
export function flagRow(
  name: string,
  fallback: boolean,
  doc: string,
  options?: RowOptions,
): Directive<boolean> {
  return directive<boolean>({
    name,
    args: 1,
    ...common(options),
    parse: (node, context) => readFlag(node, argument(node, 0), context),
    default: fallback,
    syntax: 'on | off',
    defaultText: fallback ? 'on' : 'off',
    doc,
  });
}

/** A size in bytes; `defaultText` is parsed to give the default. */
export function sizeRow(
  name: string,
  defaultText: string,
  doc: string,
  options?: RowOptions,
): Directive<number> {
  return directive<number>({
    name,
    args: 1,
    ...common(options),
    parse: (node, context) => readSize(node, argument(node, 0), context),
    default: parseSize(defaultText) ?? 0,
    syntax: 'size',
    defaultText,
    doc,
  });
}

/** A time, in ms; `defaultText` is parsed to give the default. */
export function timeRow(
  name: string,
  defaultText: string,
  doc: string,
  options?: RowOptions,
): Directive<number> {
  return directive<number>({
    name,
    args: 1,
    ...common(options),
    parse: (node, context) => readTime(node, argument(node, 0), context),
    default: parseTimeMs(defaultText, 'ms') ?? 0,
    syntax: 'time',
    defaultText,
    doc,
  });
}

/** A non-negative number. */
export function numberRow(
  name: string,
  fallback: number,
  doc: string,
  options?: RowOptions & { readonly syntax?: string },
): Directive<number> {
  return directive<number>({
    name,
    args: 1,
    ...common(options),
    parse: (node, context) => readNumber(node, argument(node, 0), context),
    default: fallback,
    syntax: options?.syntax ?? 'number',
    defaultText: String(fallback),
    doc,
  });
}

/** Any one text. */
export function textRow(
  name: string,
  fallback: string,
  doc: string,
  options?: RowOptions & { readonly syntax?: string },
): Directive<string> {
  return directive<string>({
    name,
    args: 1,
    ...common(options),
    parse: (node) => argument(node, 0).text,
    default: fallback,
    syntax: options?.syntax ?? 'string',
    defaultText: fallback === '' ? '-' : fallback,
    doc,
  });
}

/** The argument at `index`, which the row's arity promises; throws a TypeError where it does not. */
export function argument(node: DirectiveNode, index: number): Argument {
  const found = node.args[index];
  if (found === undefined) throw new TypeError(`"${node.name}" has no argument ${index}`);
  return found;
}

/** Reads `on` or `off`, or fails in nginx's words. */
export function readFlag(node: DirectiveNode, at: Argument, context: ParseContext): boolean {
  const flag = parseFlag(at.text);
  if (flag === undefined) {
    context.fail(at, `invalid value "${at.text}" in "${node.name}" directive, it must be "on" or "off"`);
  }
  return flag;
}

/** Reads a size in bytes, or fails in nginx's words. */
export function readSize(node: DirectiveNode, at: Argument, context: ParseContext): number {
  return parseSize(at.text) ?? context.fail(at, `"${node.name}" directive invalid value`);
}

/** Reads a time in ms, or fails in nginx's words. `unit` is the resolution in nginx's tables. */
export function readTime(
  node: DirectiveNode,
  at: Argument,
  context: ParseContext,
  unit: 's' | 'ms' = 'ms',
): number {
  return parseTimeMs(at.text, unit) ?? context.fail(at, `"${node.name}" directive invalid value`);
}

/** Reads a non-negative number, or fails in nginx's words. */
export function readNumber(node: DirectiveNode, at: Argument, context: ParseContext): number {
  return parseNumber(at.text) ?? context.fail(at, `"${node.name}" directive invalid number`);
}

/** A non-negative decimal integer that fits a double exactly; undefined for anything else. */
export function parseNumber(text: string): number | undefined {
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Fails for a parameter that the directive does not know. */
export function failParameter(at: Argument, context: ParseContext): never {
  return context.fail(at, `invalid parameter "${at.text}"`);
}

/** The text behind "name=", or undefined when the argument is another one. */
export function parameter(at: Argument, name: string): string | undefined {
  return at.text.startsWith(name) && at.text.charAt(name.length) === '='
    ? at.text.slice(name.length + 1)
    : undefined;
}
