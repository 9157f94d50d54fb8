/**
 * Work that would block the loop, on worker threads (piscina). The pool and its library
 * are loaded with the first job, and the threads end with the reactor.
 */
import { serialize } from 'node:v8';
import { Script } from 'node:vm';
import { fileURLToPath } from 'node:url';
import type { Piscina } from 'piscina';
import { MillraceError } from '../errors/millrace-error.js';
import { abortReason, throwIfAborted } from '../util/abort.js';
import type { CancellableScope } from './cancellable-scope.js';

/** An export of a JavaScript file: it gets a structured clone of the input. */
export interface BlockingExport {
  /** Path or `file:` URL; `new URL('./work.js', import.meta.url)`. */
  readonly file: string | URL;
  /** Name of the exported function; default "default". */
  readonly export?: string;
}

/**
 * A function that uses nothing but its argument and globals: its text is sent to the
 * worker, so it sees neither imports nor variables around it.
 */
export type SelfContained<Input, Output> = (input: Input) => Output | Promise<Output>;

/** Options of one job. */
export interface BlockingOptions {
  /** Ends the job: the thread that runs it is terminated and replaced. */
  signal?: AbortSignal;
  /** Objects of the input that are moved instead of copied (exports of a file only). */
  transfer?: readonly ArrayBuffer[];
}

/** Idle threads end after this time. */
const IDLE_MS = 10_000;

/** The pool of one reactor. */
export class BlockingPool {
  readonly #scope: CancellableScope;
  readonly #maxThreads: number | undefined;
  #pool: Promise<Piscina<unknown, unknown>> | undefined;
  #jobs = 0;

  constructor(scope: CancellableScope, maxThreads: number | undefined) {
    this.#scope = scope;
    this.#maxThreads = maxThreads;
  }

  /** Jobs that have not ended. */
  get jobs(): number {
    return this.#jobs;
  }

  /** Runs one job; see `Reactor.runBlocking`. */
  async run(
    work: BlockingExport | SelfContained<never, unknown>,
    input: unknown,
    options: BlockingOptions,
  ): Promise<unknown> {
    throwIfAborted(options.signal);
    throwIfAborted(this.#scope.signal);
    const call = typeof work === 'function' ? callByText(work, input) : callByFile(work, input);
    this.#jobs++;
    try {
      const pool = await (this.#pool ??= this.#start());
      throwIfAborted(this.#scope.signal);
      return await pool.run(call.task, {
        filename: call.filename,
        name: call.name,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        ...(options.transfer === undefined ? {} : { transferList: [...options.transfer] }),
      });
    } catch (error) {
      // The library's own AbortError says less than the reason that the caller gave.
      if (options.signal?.aborted === true) throw abortReason(options.signal);
      throwIfAborted(this.#scope.signal);
      throw error;
    } finally {
      this.#jobs--;
    }
  }

  /** Ends every thread; jobs that run reject. */
  async close(): Promise<void> {
    await (await this.#pool)?.destroy();
  }

  async #start(): Promise<Piscina<unknown, unknown>> {
    const { Piscina: Pool } = await import('piscina');
    return new Pool({
      minThreads: 0,
      idleTimeout: IDLE_MS,
      ...(this.#maxThreads === undefined ? {} : { maxThreads: this.#maxThreads }),
    });
  }
}

interface Call {
  readonly filename: string;
  readonly name: string;
  readonly task: unknown;
}

function callByFile(work: BlockingExport, input: unknown): Call {
  const file = String(work.file);
  return {
    filename: file.startsWith('file:') ? fileURLToPath(file) : file,
    name: work.export ?? 'default',
    task: input,
  };
}

/**
 * The pool calls exports of modules only. `node:vm` is one: its runInThisContext gets the
 * function's text, applied to the serialized input, and so no file of our own is needed.
 */
function callByText(work: SelfContained<never, unknown>, input: unknown): Call {
  const text = `(${work.toString()})`;
  try {
    new Script(text);
  } catch (cause) {
    throw new MillraceError('ERR_NOT_TRANSFERABLE', { phase: 'runBlocking', cause });
  }
  const data = serialize(input).toString('base64');
  const argument = `process.getBuiltinModule('node:v8').deserialize(Buffer.from('${data}', 'base64'))`;
  return { filename: 'node:vm', name: 'runInThisContext', task: `${text}(${argument})` };
}
