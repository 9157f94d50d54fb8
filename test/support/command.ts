/**
 * Starts bin/millrace as a person would and watches what it does: output, pid file,
 * exit code. Every process started here is ended by the test that started it.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The command itself. */
export const BINARY = fileURLToPath(new URL('../../bin/millrace', import.meta.url));

/** Slow builds (sanitizers) get more time. */
const SLOW = Number(process.env['MILLRACE_TEST_SLOW'] ?? '1');

/** How a command ended. */
export interface Outcome {
  /** Exit code; null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs. */
export class Command {
  readonly child: ChildProcess;
  /** Settles when it has ended and all of its output was read. */
  readonly outcome: Promise<Outcome>;
  #stdout = '';
  #stderr = '';
  #ended = false;

  constructor(args: readonly string[], options: { readonly cwd?: string } = {}) {
    this.child = spawn(BINARY, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    this.child.stdout?.on('data', (chunk: Buffer) => (this.#stdout += chunk.toString()));
    this.child.stderr?.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()));
    this.outcome = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', (code, signal) => {
        this.#ended = true;
        resolve({ code, signal, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Sends the signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<Outcome> {
    this.child.kill(signal);
    return this.outcome;
  }

  /** Waits for a condition, at most ten seconds; fails early when the command ends first. */
  async until(condition: () => boolean, what: string): Promise<void> {
    const deadlineMs = Date.now() + 10_000 * SLOW;
    while (!condition()) {
      if (this.#ended) throw new Error(`the command ended before ${what}:\n${this.#stdout}${this.#stderr}`);
      if (Date.now() > deadlineMs) throw new Error(`no ${what} in time:\n${this.#stdout}${this.#stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** A prefix of its own for each test, with the commands that run in it. */
export class Workspace {
  readonly folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  readonly #commands: Command[] = [];

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, text: string): string {
    writeFileSync(this.path(name), text);
    return this.path(name);
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'utf8');
  }

  has(name: string): boolean {
    return existsSync(this.path(name));
  }

  /** Starts the command as it is given. */
  start(...args: readonly string[]): Command {
    const command = new Command(args, { cwd: this.folder });
    this.#commands.push(command);
    return command;
  }

  /** Starts it with nginx.conf in this folder, as the public suite does. */
  startConfig(text: string, ...more: readonly string[]): Command {
    this.write('nginx.conf', text);
    return this.start('-p', `${this.folder}/`, '-c', 'nginx.conf', '-e', 'error.log', ...more);
  }

  /** As startConfig, and waits until the pid file says that every socket is bound. */
  async serve(text: string): Promise<Command> {
    const command = this.startConfig(text);
    await command.until(() => this.has('millrace.pid'), 'pid file');
    return command;
  }

  /** Ends what still runs and removes the folder. */
  async dispose(): Promise<void> {
    for (const command of this.#commands) {
      if (command.child.exitCode === null && command.child.signalCode === null) command.child.kill('SIGKILL');
      await command.outcome.catch(() => undefined);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A port of 127.0.0.1 that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
