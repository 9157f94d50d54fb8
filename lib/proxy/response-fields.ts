/**
 * The fields that modules put on a response: what `add_header` appends, what a module
 * replaces or removes of a backend's. Reused with its exchange; holds no garbage.
 */

export class ResponseFields {
  readonly #names: string[] = [];
  readonly #values: string[] = [];
  /** Lower-cased names of backend fields that are not forwarded. */
  readonly #removed: string[] = [];

  get count(): number {
    return this.#names.length;
  }

  /** Whether any backend field may be dropped for a module's sake. */
  get removes(): boolean {
    return this.#removed.length > 0;
  }

  name(index: number): string {
    return this.#names[index];
  }

  value(index: number): string {
    return this.#values[index];
  }

  add(name: string, value: string): void {
    this.#names.push(name);
    this.#values.push(value);
  }

  /** Every field of that name, own and backend's, gives way to this one. */
  set(name: string, value: string): void {
    this.remove(name);
    this.add(name, value);
  }

  remove(name: string): void {
    const lower = name.toLowerCase();
    if (!this.#removed.includes(lower)) this.#removed.push(lower);
    this.#dropOwn(lower);
  }

  /** Takes back what was set for that lower-cased name: a backend's own field counts again. */
  withdraw(lowerName: string): void {
    const at = this.#removed.indexOf(lowerName);
    if (at >= 0) this.#removed.splice(at, 1);
    this.#dropOwn(lowerName);
  }

  #dropOwn(lower: string): void {
    for (let i = this.#names.length - 1; i >= 0; i--) {
      if (this.#names[i].toLowerCase() === lower) {
        this.#names.splice(i, 1);
        this.#values.splice(i, 1);
      }
    }
  }

  /** Own fields of that name (lower-cased by the caller), joined. */
  find(lowerName: string): string | undefined {
    let found: string | undefined;
    for (let i = 0; i < this.#names.length; i++) {
      if (this.#names[i].toLowerCase() !== lowerName) continue;
      found = found === undefined ? this.#values[i] : `${found}, ${this.#values[i]}`;
    }
    return found;
  }

  /** Whether a backend field of that lower-cased name must not be forwarded. */
  isRemoved(lowerName: string): boolean {
    return this.#removed.includes(lowerName);
  }

  clear(): void {
    if (this.#names.length > 0) {
      this.#names.length = 0;
      this.#values.length = 0;
    }
    if (this.#removed.length > 0) this.#removed.length = 0;
  }
}
