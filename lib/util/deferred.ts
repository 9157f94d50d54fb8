/** A promise whose fate is decided from outside (Promise.withResolvers, which Node 20 lacks). */
export class Deferred<T> {
  readonly promise: Promise<T>;
  #resolve!: (value: T) => void;
  #reject!: (reason: unknown) => void;
  #settled = false;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** True once resolve or reject was called. */
  get settled(): boolean {
    return this.#settled;
  }

  /** Fulfils the promise; later calls do nothing. */
  resolve(value: T): void {
    this.#settled = true;
    this.#resolve(value);
  }

  /** Rejects the promise; later calls do nothing. */
  reject(reason: unknown): void {
    this.#settled = true;
    this.#reject(reason);
  }
}
