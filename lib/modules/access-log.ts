/**
 * `log_format` and `access_log`: one line for each request. The form is compiled once;
 * a request writes its bytes to where the lines of the file are gathered.
 */
import {
  directive,
  type Argument,
  type DirectiveNode,
  type Exchange,
  type LogHandler,
  type Module,
  type ParseContext,
  type Value,
} from '../module-api/index.js';
import { lineWriter } from '../proxy/line-plan.js';
import type { LogLines } from '../proxy/log-lines.js';
import type { EngineBuilder } from '../proxy/runtime.js';
import { COMBINED, compileFormat, parseEscape, type LogEscape, type LogFormat } from './log-format.js';
import {
  argument,
  failParameter,
  HTTP_SERVER_LOCATION,
  MANY,
  parameter,
  readSize,
  readTime,
} from './rows.js';

/** A format by name, as written. */
export interface LogFormatSetting {
  readonly escape: LogEscape;
  readonly text: string;
  readonly format: LogFormat;
}

export const logFormat = directive<ReadonlyMap<string, LogFormatSetting>>({
  name: 'log_format',
  contexts: ['http'],
  args: [2, MANY],
  repeat: 'append',
  parse(node, context, previous) {
    const [name, ...parts] = node.args;
    if (name === undefined)
      return context.fail(node, 'invalid number of arguments in "log_format" directive');
    if (name.text === 'combined' || previous?.has(name.text) === true) {
      return context.fail(name, `duplicate "log_format" name "${name.text}"`);
    }
    const escapeText = parts[0] === undefined ? undefined : parameter(parts[0], 'escape');
    const escape = escapeText === undefined ? 'default' : parseEscape(escapeText);
    if (escape === undefined) return context.fail(node, `unknown log format escaping "${escapeText}"`);
    const text = (escapeText === undefined ? parts : parts.slice(1)).map((part) => part.text).join('');
    const setting = { escape, text, format: formatOf(node, text, escape, context) };
    return new Map([...(previous ?? []), [name.text, setting]]);
  },
  default: new Map(),
  syntax: 'name [escape=default|json|none] string ...',
  defaultText: 'combined "..."',
  doc: 'A form of log lines. Values are escaped as \\xHH, for JSON, or not at all.',
});

function formatOf(node: DirectiveNode, text: string, escape: LogEscape, context: ParseContext): LogFormat {
  const place: Argument = node.args[1] ?? argument(node, 0);
  return compileFormat(text, escape, (variable) =>
    context.compileValue({ text: variable, quoted: true, position: place.position }),
  );
}

/** One `access_log`. */
export interface AccessLogSetting {
  /** As written: relative to the prefix. */
  readonly path: string;
  /** Name of a `log_format`. */
  readonly format: string;
  /** A line is written unless this is empty or "0". */
  readonly condition: Value | undefined;
  /** For the message when the format is not there. */
  readonly at: Argument | undefined;
}

export const accessLog = directive<readonly AccessLogSetting[]>({
  name: 'access_log',
  contexts: HTTP_SERVER_LOCATION,
  args: [1, MANY],
  repeat: 'append',
  parse(node, context, previous) {
    const [path, ...options] = node.args;
    if (path === undefined)
      return context.fail(node, 'invalid number of arguments in "access_log" directive');
    if (path.text === 'off') {
      const extra = options[0];
      if (extra !== undefined) return failParameter(extra, context);
      return previous ?? [];
    }
    if (path.text.startsWith('syslog:')) {
      return context.fail(path, '"syslog:" in "access_log" is not supported yet');
    }
    if (path.text.includes('$')) {
      return context.fail(path, 'variables in the path of "access_log" are not supported yet');
    }
    return [...(previous ?? []), readAccessLog(node, path, options, context)];
  },
  default: [{ path: 'logs/access.log', format: 'combined', condition: undefined, at: undefined }],
  syntax: 'path [format [buffer=size] [gzip[=level]] [flush=time] [if=condition]] | off',
  defaultText: 'logs/access.log combined',
  doc: 'Where requests are logged. The lines of a turn of the loop are written together; buffer=, flush= and gzip are accepted without effect.',
});

function readAccessLog(
  node: DirectiveNode,
  path: Argument,
  options: readonly Argument[],
  context: ParseContext,
): AccessLogSetting {
  let format: Argument | undefined;
  let condition: Value | undefined;
  options.forEach((at, index) => {
    const conditionText = parameter(at, 'if');
    const bufferText = parameter(at, 'buffer');
    const flushText = parameter(at, 'flush');
    if (conditionText !== undefined) condition = context.compileValue({ ...at, text: conditionText });
    else if (bufferText !== undefined) readSize(node, { ...at, text: bufferText }, context);
    else if (flushText !== undefined) readTime(node, { ...at, text: flushText }, context);
    else if (at.text === 'gzip' || parameter(at, 'gzip') !== undefined) {
      context.warn(at, 'the parameter "gzip" of "access_log" has no effect, plain lines are written');
    } else if (index === 0) format = at;
    else failParameter(at, context);
  });
  return { path: path.text, format: format?.text ?? 'combined', condition, at: format };
}

function logHandler(format: LogFormat, lines: LogLines, condition: Value | undefined): LogHandler {
  const write = lineWriter(format, lines);
  if (condition === undefined) return write;
  return (exchange: Exchange) => {
    const value = condition.get(exchange);
    if (value !== '' && value !== '0') write(exchange);
  };
}

/** `log_format`, `access_log`. */
export const accessLogModule: Module = {
  name: 'access_log',
  directives: [logFormat, accessLog],
  location(builder) {
    const { settings, parse } = builder;
    const formats = settings.get(logFormat);
    for (const { path, format, condition, at } of settings.get(accessLog)) {
      const compiled =
        format === 'combined'
          ? compileFormat(COMBINED, 'default', (text) => parse.compileText(text))
          : formats.get(format)?.format;
      if (compiled === undefined) {
        if (at === undefined) throw new TypeError(`no log format "${format}"`);
        parse.fail(at, `unknown log format "${format}"`);
      } else {
        builder.log(logHandler(compiled, (builder as EngineBuilder).logFile(path).lines, condition));
      }
    }
  },
};
