/**
 * What request and response heads have in common: the fields, found by the scanner and
 * kept as positions; the framing fields; what Connection names.
 *
 * Field records lie in one Int32Array, six entries each:
 *
 *     [0] line start = name start   [1] name end (the colon)
 *     [2] value start               [3] value end, blanks trimmed
 *     [4] line end, behind the LF   [5] id | flags << 8
 *
 * All positions are relative to `base`, so a head that is copied elsewhere only needs a
 * new base.
 */
import * as bytes from './bytes.js';
import { equalsLower, isBlank, latin1, lowerCase, parseLength } from './bytes.js';
import * as fields from './fields.js';
import * as known from './known-headers.js';
import { identifyHeader, knownHeaderId } from './known-headers.js';
import * as scan from './scan.js';
import type { HeadMemory } from './scan.js';

// An imported binding is read through a cell at every use; a constant of the module itself is
// folded into the compiled code. A head costs a quarter less that way.
const { COMMA, LF, SP } = bytes;
const { CANONICAL, DROP, NAME_CLASS, NAME_FORBIDDEN, NAME_OTHER, NAME_PLAIN, NAME_UNDERSCORE } = fields;
const { CONNECTION, CONTENT_LENGTH, HOST, LAST_SPECIAL, UNKNOWN, UPGRADE } = known;
const { LINE_BAD, LINE_CRLF, LINE_INDENTED } = scan;

/** Folds four letters to lower case, and leaves space and '-' as they are. */
const FOLD = 0x20202020;
/** " kee", "p-al" and "live" as little-endian numbers. */
const SP_KEE = 0x65656b20;
const P_AL = 0x6c612d70;
const LIVE = 0x6576696c;

const NO_NAMES: readonly string[] = [];
/** Entries per field record. */
const STRIDE = 6;
const NAME_END = 1;
const VALUE_START = 2;
const VALUE_END = 3;
const LINE_END = 4;
const ID_FLAGS = 5;
/** Records that a new head has room for. */
const INITIAL_FIELDS = 32;
/** A larger array, grown for one unusual head, is not kept for the next. */
const KEPT_FIELDS = 128;
/** Names that one head may list in Connection: each costs a look at every field. */
const MAX_CONNECTION_OPTIONS = 64;

/** Result of {@link MessageHead.addField}: the line is no field. */
export const FIELD_BAD = -1;
/** Result of {@link MessageHead.addField}: the name is not acceptable, the field is left out. */
export const FIELD_IGNORED = -2;

/** Fields of one hop, by id. */
const HOP_FLAGS = new Uint8Array(LAST_SPECIAL + 1);
for (const id of [
  CONNECTION,
  known.KEEP_ALIVE,
  known.PROXY_CONNECTION,
  known.TE,
  known.TRANSFER_ENCODING,
  UPGRADE,
])
  HOP_FLAGS[id] = DROP;

export class MessageHead {
  /** Arena offset of the first byte. Assign it when the bytes were copied elsewhere. */
  base = 0;
  /** Bytes of the head with its empty line; 0 until complete. */
  length = 0;
  /** The head was read to its end and is valid. */
  complete = false;
  /** Why `parse` failed, for the log; "" when it did not. */
  errorReason = '';
  /** 10 or 11: later minor versions count as 1.1. */
  version = 11;
  fieldCount = 0;
  /** Of the body: bytes; -1 chunked; see the subclasses for the rest. */
  contentLength = 0;
  /** Whether this message lets the connection live on. */
  keepAlive = false;
  /** Upgrade is present and Connection lists it. */
  upgrade = false;
  /** Lower-cased names that Connection lists besides its options and the usual fields; they hold for trailers too. */
  connectionNames: readonly string[] = NO_NAMES;

  protected readonly memory: HeadMemory;
  protected readonly u8: Uint8Array;
  /** The same bytes, for comparing four at a time. */
  protected readonly view: DataView;
  /** Where the next line begins. */
  protected position = 0;
  /** Bytes known so far; those behind `position` hold no LF. */
  protected seen = 0;
  /** Index of the Content-Length field; -1 none. */
  protected lengthField = -1;
  /** Index of the Transfer-Encoding field; -1 none. */
  protected codingField = -1;
  /** '_' counts as a letter in names. */
  protected underscores = false;
  /** Fields with other token bytes in their names are left out. */
  protected ignoreInvalid = true;
  /** Connection lists "close". */
  protected saysClose = false;
  /** Connection lists "keep-alive". */
  protected saysKeepAlive = false;
  #fields = new Int32Array(INITIAL_FIELDS * STRIDE);
  #connectionFields = 0;
  #upgradeFields = 0;

  constructor(memory: HeadMemory) {
    this.memory = memory;
    this.u8 = memory.u8;
    this.view = new DataView(memory.u8.buffer, memory.u8.byteOffset, memory.u8.byteLength);
  }

  // Fields by index, from 0 to fieldCount - 1

  /** {@link CANONICAL}, {@link DROP}. */
  fieldFlags(index: number): number {
    return this.#fields[index * STRIDE + ID_FLAGS] >> 8;
  }

  /** Id of a known name, else 0. */
  fieldId(index: number): number {
    return this.#fields[index * STRIDE + ID_FLAGS] & 0xff;
  }

  /** Where the line begins, and with it the name. */
  lineStart(index: number): number {
    return this.#fields[index * STRIDE];
  }

  /** Behind the name: the colon. */
  nameEnd(index: number): number {
    return this.#fields[index * STRIDE + NAME_END];
  }

  valueStart(index: number): number {
    return this.#fields[index * STRIDE + VALUE_START];
  }

  /** Behind the value; equal to its start when it is empty. */
  valueEnd(index: number): number {
    return this.#fields[index * STRIDE + VALUE_END];
  }

  /** Behind the line and its LF. */
  lineEnd(index: number): number {
    return this.#fields[index * STRIDE + LINE_END];
  }

  /** The name as received. */
  fieldName(index: number): string {
    return this.text(this.lineStart(index), this.nameEnd(index));
  }

  /** The value as a byte string, blanks trimmed. */
  fieldText(index: number): string {
    return this.text(this.valueStart(index), this.valueEnd(index));
  }

  /** Whether the field has that lower-cased name. */
  fieldNameIs(index: number, lowerName: string): boolean {
    const start = this.base + this.lineStart(index);
    const { length } = lowerName;
    if (this.base + this.nameEnd(index) - start !== length) return false;
    for (let i = 0; i < length; i++) {
      if (lowerCase(this.u8[start + i]) !== lowerName.charCodeAt(i)) return false;
    }
    return true;
  }

  /** Index of the first field with that known name; -1 when there is none. */
  find(id: number): number {
    for (let i = 0; i < this.fieldCount; i++) if (this.fieldId(i) === id) return i;
    return -1;
  }

  /** Index of the first field of that lower-cased name; -1 when there is none. */
  findByName(lowerName: string): number {
    const id = knownHeaderId(lowerName);
    if (id !== UNKNOWN) return this.find(id);
    for (let i = 0; i < this.fieldCount; i++) {
      if (this.fieldId(i) === UNKNOWN && this.fieldNameIs(i, lowerName)) return i;
    }
    return -1;
  }

  /** Whether a field of that id says something about the body, and is wrong without one. */
  isBodyField(id: number): boolean {
    return id === CONTENT_LENGTH || id === known.TRAILER;
  }

  /** The bytes at [start, end), relative to `base`, one char per byte. */
  text(start: number, end: number): string {
    return latin1(this.u8, this.base + start, this.base + end);
  }

  // For the subclasses

  protected clear(): void {
    this.length = 0;
    this.complete = false;
    this.errorReason = '';
    this.version = 11;
    this.fieldCount = 0;
    this.contentLength = 0;
    this.keepAlive = false;
    this.upgrade = false;
    this.connectionNames = NO_NAMES;
    this.position = 0;
    this.seen = 0;
    this.lengthField = -1;
    this.codingField = -1;
    this.saysClose = false;
    this.saysKeepAlive = false;
    this.#connectionFields = 0;
    this.#upgradeFields = 0;
    if (this.#fields.length > KEPT_FIELDS * STRIDE) this.#fields = new Int32Array(INITIAL_FIELDS * STRIDE);
  }

  /** Whether an LF came since the last call; else there is nothing to scan. Keeps byte-wise arrival linear. */
  protected lineArrived(available: number): boolean {
    const { u8, base } = this;
    for (let i = this.seen; i < available; i++) if (u8[base + i] === LF) return true;
    return false;
  }

  /**
   * Records the field of one line. `end` is behind the line's content (its CR or LF),
   * `next` behind its LF. Result: the id of its name, {@link FIELD_BAD} or {@link FIELD_IGNORED}.
   */
  protected addField(start: number, colon: number, end: number, next: number, flags: number): number {
    if ((flags & (LINE_BAD | LINE_INDENTED)) !== 0 || colon <= start) return FIELD_BAD;
    // "| 0" spares the check for overflow: these are offsets below 2^31.
    const { u8, base } = this;
    const nameEnd = (base + colon) | 0;
    const lineEnd = (base + end) | 0;
    const id = identifyHeader(this.view, (base + start) | 0, nameEnd);
    if (id === UNKNOWN) {
      const verdict = this.#checkName(base + start, nameEnd);
      if (verdict !== 0) return verdict;
    }
    // Nearly every line is in canonical form: one space, then a value that ends with the line.
    const usual =
      (flags & LINE_CRLF) !== 0 &&
      lineEnd - nameEnd > 2 &&
      u8[nameEnd + 1] === SP &&
      u8[nameEnd + 2] > SP &&
      u8[lineEnd - 1] > SP;
    let idFlags = id | (CANONICAL << 8);
    if (id !== UNKNOWN && id <= LAST_SPECIAL) {
      idFlags |= HOP_FLAGS[id] << 8;
      if (id === CONNECTION) this.#connection(nameEnd + 1, lineEnd);
      else if (id === UPGRADE) this.#upgradeFields++;
    }
    const index = this.fieldCount++;
    const at = (index * STRIDE) | 0;
    if (at === this.#fields.length) this.#grow();
    const fields = this.#fields;
    fields[at] = start;
    fields[(at + NAME_END) | 0] = colon;
    fields[(at + VALUE_START) | 0] = colon + 2;
    fields[(at + VALUE_END) | 0] = end;
    fields[(at + LINE_END) | 0] = next | 0;
    fields[(at + ID_FLAGS) | 0] = idFlags;
    if (!usual) this.#trim(at, flags);
    return id;
  }

  /**
   * Reads every Connection field: marks what it names as DROP, sets `saysClose`,
   * `saysKeepAlive` and `upgrade`. Host and Content-Length cannot be named away, or what
   * is sent on would be framed otherwise than what was received. False: too many names.
   */
  protected applyConnection(): boolean {
    if (this.#connectionFields === 0) return true;
    const { u8, base } = this;
    let options = 0;
    for (let i = 0; i < this.fieldCount; i++) {
      if (this.fieldId(i) !== CONNECTION) continue;
      const end = base + this.valueEnd(i);
      let at = base + this.valueStart(i);
      while (at < end) {
        while (at < end && (isBlank(u8[at]) || u8[at] === COMMA)) at++;
        const start = at;
        while (at < end && u8[at] !== COMMA) at++;
        let stop = at;
        while (stop > start && isBlank(u8[stop - 1])) stop--;
        if (stop === start) continue;
        if (++options > MAX_CONNECTION_OPTIONS) return false;
        this.#option(start, stop);
      }
    }
    return true;
  }

  /** Content-Length as a number; -1 when it is none. */
  protected announced(): number {
    const { u8, base } = this;
    return parseLength(u8, base + this.valueStart(this.lengthField), base + this.valueEnd(this.lengthField));
  }

  /** Whether Transfer-Encoding is "chunked" and nothing else. */
  protected isChunked(): boolean {
    const start = this.base + this.valueStart(this.codingField);
    return equalsLower(this.u8, start, this.base + this.valueEnd(this.codingField), 'chunked');
  }

  /** Whether the value of the field is that lower-cased text, in any case. */
  protected valueIs(index: number, lowerText: string): boolean {
    const { base } = this;
    return equalsLower(this.u8, base + this.valueStart(index), base + this.valueEnd(index), lowerText);
  }

  /** A value of Connection: the usual ones are understood at once, others are read when all fields are known. */
  #connection(start: number, end: number): void {
    const { view } = this;
    const usual =
      end - start === 11 &&
      (view.getInt32(start, true) | FOLD) === SP_KEE &&
      (view.getInt32(start + 4, true) | FOLD) === P_AL &&
      (view.getInt32(start + 7, true) | FOLD) === LIVE;
    if (usual) this.saysKeepAlive = true;
    else this.#connectionFields++;
  }

  /** One name in Connection. */
  #option(start: number, end: number): void {
    const { u8 } = this;
    const length = end - start;
    if (length === 10 && equalsLower(u8, start, end, 'keep-alive')) {
      this.saysKeepAlive = true;
      return;
    }
    if (length === 5 && equalsLower(u8, start, end, 'close')) {
      this.saysClose = true;
      return;
    }
    const id = identifyHeader(this.view, start, end);
    if (id === UPGRADE && this.#upgradeFields > 0) this.upgrade = true;
    if (
      id === HOST ||
      id === CONTENT_LENGTH ||
      (id !== UNKNOWN && id <= LAST_SPECIAL && HOP_FLAGS[id] === DROP)
    ) {
      return;
    }
    this.connectionNames = [...this.connectionNames, latin1(u8, start, end).toLowerCase()];
    for (let i = 0; i < this.fieldCount; i++) {
      if (this.fieldId(i) !== id) continue;
      if (id !== UNKNOWN || this.#sameName(i, start, length)) {
        this.#fields[i * STRIDE + ID_FLAGS] = this.#fields[i * STRIDE + ID_FLAGS] | (DROP << 8);
      }
    }
  }

  #sameName(index: number, start: number, length: number): boolean {
    const { u8 } = this;
    const name = this.lineStart(index);
    if (this.nameEnd(index) - name !== length) return false;
    for (let i = 0; i < length; i++) {
      if (lowerCase(u8[this.base + name + i]) !== lowerCase(u8[start + i])) return false;
    }
    return true;
  }

  /** 0 when the name may stand, else FIELD_BAD or FIELD_IGNORED. */
  #checkName(start: number, end: number): number {
    const { u8 } = this;
    let verdict = 0;
    for (let i = start; i < end; i++) {
      const kind = NAME_CLASS[u8[i]];
      if (kind === NAME_PLAIN) continue;
      if (kind === NAME_FORBIDDEN) return FIELD_BAD;
      if (kind === NAME_OTHER) verdict = FIELD_IGNORED;
      else if (this.ignoreInvalid && !(this.underscores && kind === NAME_UNDERSCORE)) verdict = FIELD_IGNORED;
    }
    return verdict;
  }

  /** Takes the blanks off the value of a record, and CANONICAL if the line is not in that form. */
  #trim(at: number, flags: number): void {
    const { u8, base } = this;
    const fields = this.#fields;
    const colon = fields[at + NAME_END];
    const end = fields[at + VALUE_END];
    let valueStart = colon + 1;
    let valueEnd = end;
    while (valueStart < valueEnd && isBlank(u8[base + valueStart])) valueStart++;
    while (valueEnd > valueStart && isBlank(u8[base + valueEnd - 1])) valueEnd--;
    fields[at + VALUE_START] = valueStart;
    fields[at + VALUE_END] = valueEnd;
    const canonical =
      (flags & LINE_CRLF) !== 0 &&
      valueEnd === end &&
      valueStart === colon + 2 &&
      u8[base + colon + 1] === SP;
    if (!canonical) fields[at + ID_FLAGS] &= ~(CANONICAL << 8);
  }

  #grow(): void {
    const larger = new Int32Array(this.#fields.length * 2);
    larger.set(this.#fields);
    this.#fields = larger;
  }
}
