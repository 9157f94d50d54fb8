/** Runs a script of its own process and watches what it says and how it ends. */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const running = new Set<Program>();

/** Ends what a test has left running; for afterEach. */
export async function endPrograms(): Promise<void> {
  for (const program of running) program.child.kill('SIGKILL');
  await Promise.all([...running].map((program) => program.outcome));
}

/** How a program ended. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A script that was started. */
export class Program {
  readonly child: ChildProcess;
  /** Settles when it has ended and its output was read. */
  readonly outcome: Promise<Outcome>;
  #stdout = '';
  #stderr = '';
  #onOutput: (() => void) | undefined;

  constructor(script: URL, args: readonly string[] = []) {
    this.child = spawn(process.execPath, [fileURLToPath(script), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.on('data', (chunk: Buffer) => {
      this.#stdout += chunk.toString();
      this.#onOutput?.();
    });
    this.child.stderr?.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()));
    this.outcome = new Promise((resolve) => {
      this.child.once('close', (code) => {
        running.delete(this);
        this.#onOutput?.();
        resolve({ code, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
    running.add(this);
  }

  /** Waits until its output matches; rejects when it ends without. */
  async line(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#stdout);
      if (match !== null) return match;
      if (!running.has(this)) throw new Error(`ended without ${pattern}: ${this.#stdout}${this.#stderr}`);
      await new Promise<void>((resolve) => (this.#onOutput = resolve));
    }
  }
}
