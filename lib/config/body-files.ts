/**
 * Which bodies of requests become files, and which have to be read before a request is put
 * together: as the rows say, and as the texts of a block ask for by naming the body's variables.
 */
import type { DirectiveNode, ParseContext } from '../module-api/index.js';
import {
  clientBodyInFileOnly,
  clientBodyTempPath,
  DEFAULT_BODY_TEMP_PATH,
  type BodyTempPath,
} from '../modules/body-file-rows.js';
import { proxyHttpVersion } from '../modules/proxy-rows.js';
import type { BodyFilePolicy, LocationConfig } from '../proxy/runtime.js';
import { TempFiles } from '../proxy/temp-files.js';
import type { BlockSettings } from './settings.js';

const REMOVAL = { on: 'never', clean: 'afterwards', off: 'at once' } as const;

const BODY = /\$(?:request_body(?![a-z0-9_])|\{request_body\})/i;
const FILE = /\$(?:request_body_file(?![a-z0-9_])|\{request_body_file\})/i;

/** Whether an argument holds a match, those of a block inside included. */
function holds({ args, block }: DirectiveNode, pattern: RegExp): boolean {
  return args.some(({ text }) => pattern.test(text)) || block?.some((node) => holds(node, pattern)) === true;
}

/** The folders of one configuration; each is one object, however many locations use it. */
export class BodyFiles {
  readonly #parse: ParseContext;
  readonly #folders = new Map<string, TempFiles>();
  readonly #prepared = new Set<TempFiles>();

  constructor(parse: ParseContext) {
    this.#parse = parse;
  }

  /** Those that a location uses. */
  folders(): readonly TempFiles[] {
    return [...this.#folders.values()];
  }

  /** What a location does with bodies. Makes the folder where it is missing: throws an Error with `code` when that fails. */
  of(settings: BlockSettings): Pick<LocationConfig, 'bodyFile' | 'quotesBody'> {
    const quotesBody = settings.mentions((node) => node.name.startsWith('proxy_') && holds(node, BODY));
    return { quotesBody, bodyFile: this.#policy(settings) };
  }

  #policy(settings: BlockSettings): BodyFilePolicy | undefined {
    const mode = settings.get(clientBodyInFileOnly);
    const which = this.#which(settings);
    if (which === undefined) return undefined;
    const where = settings.get(clientBodyTempPath) ?? {
      path: this.#parse.prefixPath(DEFAULT_BODY_TEMP_PATH),
      levels: [],
    };
    const directory = this.#folder(where);
    // Where files are rare, the folder is made with the first one.
    if (which !== 'lengthless' && !this.#prepared.has(directory)) {
      directory.prepare();
      this.#prepared.add(directory);
    }
    return { directory, which, removal: REMOVAL[mode] };
  }

  #which(settings: BlockSettings): BodyFilePolicy['which'] | undefined {
    if (settings.get(clientBodyInFileOnly) !== 'off') return 'all';
    if (settings.mentions((node) => holds(node, FILE))) return 'long';
    return settings.get(proxyHttpVersion) === '1.0' ? 'lengthless' : undefined;
  }

  #folder({ path, levels }: BodyTempPath): TempFiles {
    const key = `${levels.join()} ${path}`;
    const folder = this.#folders.get(key) ?? new TempFiles(path, levels);
    this.#folders.set(key, folder);
    return folder;
  }
}
