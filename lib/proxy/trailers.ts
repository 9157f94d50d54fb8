/** The fields behind a chunked body: what the location adds, and what was sent, for variables. */
import type { ExchangeImpl } from './exchange.js';
import { hasLineEnd } from './response-lines.js';

/** Trailers of one response. Reused with its exchange. */
export class Trailers {
  readonly #names: string[] = [];
  readonly #values: string[] = [];

  clear(): void {
    if (this.#names.length === 0) return;
    this.#names.length = 0;
    this.#values.length = 0;
  }

  /** Values of that lower-cased name, joined; undefined when there is none. */
  find(lowerName: string): string | undefined {
    const found = this.#values.filter((_, index) => this.#names[index].toLowerCase() === lowerName);
    return found.length === 0 ? undefined : found.join(', ');
  }

  /** Takes note of a backend's trailer lines (`name: value CRLF` each), which are passed on as they are. */
  passed(lines: string): void {
    for (const line of lines.split('\r\n')) {
      const colon = line.indexOf(':');
      if (colon > 0) this.#add(line.slice(0, colon), line.slice(colon + 1).trim());
    }
  }

  /** The lines that the location adds. */
  compose(exchange: ExchangeImpl): string {
    let lines = '';
    for (const source of exchange.location.trailers) {
      source.add(exchange, (name, value) => {
        if (hasLineEnd(name) || hasLineEnd(value)) {
          exchange.log('error', `a line end in the value of "${name}": the trailer is left out`);
          return;
        }
        this.#add(name, value);
        lines += `${name}: ${value}\r\n`;
      });
    }
    return lines;
  }

  #add(name: string, value: string): void {
    this.#names.push(name);
    this.#values.push(value);
  }
}
