/** The name of a field, looked up once for being asked for many times. */
import { knownHeaderId } from './known-headers.js';

export class HeaderName {
  /** In lower case. */
  readonly text: string;
  /** Id of a known name, else 0. */
  readonly id: number;

  /** In any case. */
  constructor(name: string) {
    this.text = name.toLowerCase();
    this.id = knownHeaderId(this.text);
  }
}
