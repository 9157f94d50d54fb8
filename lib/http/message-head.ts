/**
 * What request and response heads have in common: the fields, found by the scanner and
 * kept as records (scan.ts); the framing fields; what Connection names.
 *
 * All positions are relative to `base`, so a head that is copied elsewhere only needs a
 * new base. The scanner writes its records where the next scan overwrites them: whoever
 * needs a head after the callback copies both (`copyTo`).
 */
import * as bytes from './bytes.js';
import { equalsLower, isBlank, latin1, lowerCase, parseLength } from './bytes.js';
import * as fields from './fields.js';
import * as known from './known-headers.js';
import { identifyHeader, knownHeaderId } from './known-headers.js';
import * as scan from './scan.js';
import * as memory from './memory.js';

// An imported binding is read through a cell at every use; a constant of the module itself is
// folded into the compiled code. A head costs a quarter less that way.
const { u8, i32, view, RECORDS, REPORT, join, scanFields } = memory;
const { COMMA, LF, ZERO } = bytes;
const {
  BAD,
  CANONICAL,
  DROP,
  HIDDEN,
  INDENTED,
  NAMELESS,
  NAME_FORBIDDEN,
  NAME_OTHER,
  NAME_TOKEN,
  NAME_UNDERSCORE,
} = fields;
const { CONNECTION, CONTENT_LENGTH, HOP_IDS, HOST, LAST_SPECIAL, UNKNOWN, UPGRADE } = known;
const {
  ALL_FLAGS,
  COUNT,
  FULL,
  ID_FLAGS,
  LINE_END,
  LONGEST,
  MAX_SPECIALS,
  NAME_END,
  POSITION,
  REPEATED,
  SEEN,
  SPECIALS,
  SPECIAL_COUNT,
  STRIDE,
  VALUE_END,
  VALUE_START,
} = scan;

/** Folds four letters to lower case, and leaves space and '-' as they are. */
const FOLD = 0x20202020;
/** "keep", "-ali" and "live" as little-endian numbers. */
const KEEP = 0x7065656b;
const ALI = 0x696c612d;
const LIVE = 0x6576696c;

/** Flags that make a line no field. */
const NO_FIELD = BAD | INDENTED | NAMELESS | NAME_FORBIDDEN;
/** Flags for which a record is looked at by itself. */
const SUSPECT = NO_FIELD | NAME_OTHER | NAME_TOKEN | NAME_UNDERSCORE;

const NO_NAMES: readonly string[] = [];
/** Names that one head may list in Connection: each costs a look at every field. */
const MAX_CONNECTION_OPTIONS = 64;

/** Result of {@link MessageHead.examine}: a line is no field. */
export const FIELDS_BAD = -1;
/** Result of {@link MessageHead.examine}: a line, or the head, is too long. */
export const FIELDS_TOO_LONG = -2;
/** Result of {@link MessageHead.examine}: there are too many fields. */
export const FIELDS_TOO_MANY = -3;

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
  /** Bit i: there is a field with the known name i, below 32; bit 0: one with any other name. Ignored fields may count. */
  seenIds = 0;
  /** Likewise: there are several. */
  repeatedIds = 0;
  /** Of the body: bytes; -1 chunked; see the subclasses for the rest. */
  contentLength = 0;
  /** Whether this message lets the connection live on. */
  keepAlive = false;
  /** Upgrade is present and Connection lists it. */
  upgrade = false;
  /** Lower-cased names that Connection lists besides its options and the usual fields; they hold for trailers too. */
  connectionNames: readonly string[] = NO_NAMES;

  /** Where the first line that is not complete begins. */
  protected position = 0;
  /** Bytes that were there when the head was found incomplete; 0 at the first call. */
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
  /** Index of the first record among the Int32. */
  #records = RECORDS;
  #connectionFields = 0;
  #upgradeFields = 0;

  // Fields by index, from 0 to fieldCount - 1

  /** {@link CANONICAL}, {@link DROP}. */
  fieldFlags(index: number): number {
    return i32[this.#records + index * STRIDE + ID_FLAGS] >> 8;
  }

  /** Id of a known name, else 0. */
  fieldId(index: number): number {
    return i32[this.#records + index * STRIDE + ID_FLAGS] & 0xff;
  }

  /** Where the line begins, and with it the name. */
  lineStart(index: number): number {
    return i32[this.#records + index * STRIDE];
  }

  /** Behind the name: the colon. */
  nameEnd(index: number): number {
    return i32[this.#records + index * STRIDE + NAME_END];
  }

  valueStart(index: number): number {
    return i32[this.#records + index * STRIDE + VALUE_START];
  }

  /** Behind the value; equal to its start when it is empty. */
  valueEnd(index: number): number {
    return i32[this.#records + index * STRIDE + VALUE_END];
  }

  /** Behind the line and its LF. */
  lineEnd(index: number): number {
    return i32[this.#records + index * STRIDE + LINE_END];
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
      if (lowerCase(u8[start + i]) !== lowerName.charCodeAt(i)) return false;
    }
    return true;
  }

  /** Index of the first field with that known name; -1 when there is none. */
  find(id: number): number {
    if (id < 32 && (this.seenIds & (1 << id)) === 0) return -1;
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

  /** The values of every field of that lower-cased name, in order, as byte strings. */
  values(lowerName: string): string[] {
    const found: string[] = [];
    for (let i = 0; i < this.fieldCount; i++)
      if (this.fieldNameIs(i, lowerName)) found.push(this.fieldText(i));
    return found;
  }

  /** The bytes at [start, end), relative to `base`, one char per byte. */
  text(start: number, end: number): string {
    return latin1(u8, this.base + start, this.base + end);
  }

  /** Byte offset of the records. */
  get recordsOffset(): number {
    return this.#records << 2;
  }

  /** Sets or takes HIDDEN for a field; it stays until it is set otherwise. */
  setHidden(index: number, hidden: boolean): void {
    const at = this.#records + index * STRIDE + ID_FLAGS;
    if (hidden) i32[at] |= HIDDEN << 8;
    else i32[at] &= ~(HIDDEN << 8);
  }

  /** Bytes of its records: {@link copyTo} needs these besides those of the head. */
  get recordBytes(): number {
    return this.fieldCount * STRIDE * 4;
  }

  /**
   * Copies the records and `length` bytes of the head to `offset` (a multiple of 4), and goes
   * on there: from now on it does not depend on what is received or scanned.
   */
  copyTo(offset: number, length: number): void {
    const { recordBytes } = this;
    join(offset, this.#records << 2, recordBytes, this.base, length);
    this.#records = offset >> 2;
    this.base = offset + recordBytes;
  }

  /** Forgets the fields: their bytes are gone. */
  forgetFields(): void {
    this.fieldCount = 0;
  }

  // For the subclasses

  protected clear(): void {
    this.length = 0;
    this.complete = false;
    this.errorReason = '';
    this.version = 11;
    this.fieldCount = 0;
    this.seenIds = 0;
    this.repeatedIds = 0;
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
    this.#records = RECORDS;
  }

  /** Scans [base, base + available) from `from` on, unless that was done when it was received. */
  protected scanLines(from: number, available: number): void {
    const { base } = this;
    if (from !== 0 || i32[REPORT - 2] !== base || i32[REPORT - 1] !== available) {
      scanFields(base, available, from);
    }
    // The records are this head's now.
    i32[REPORT - 1] = 0;
  }

  /**
   * Takes in the fields of the last scan. Nearly always that is reading a few numbers of
   * its report; only where something about a line is odd every record is looked at.
   * Result: 0, a negative FIELDS_*, or what `special` returned other than 0.
   */
  protected examine(maxFieldBytes: number, maxHeadBytes: number, maxFields: number): number {
    const count = i32[REPORT + COUNT];
    const specials = i32[REPORT + SPECIAL_COUNT];
    this.position = i32[REPORT + POSITION];
    this.fieldCount = count;
    this.seenIds = i32[REPORT + SEEN];
    this.repeatedIds = i32[REPORT + REPEATED];
    const usual =
      (i32[REPORT + ALL_FLAGS] & (SUSPECT << 8)) === 0 &&
      i32[REPORT + LONGEST] <= maxFieldBytes &&
      this.position <= maxHeadBytes &&
      count <= maxFields &&
      specials <= MAX_SPECIALS &&
      i32[REPORT + FULL] === 0;
    if (!usual) return this.#examineEach(maxFieldBytes, maxHeadBytes, maxFields);
    for (let i = 0; i < specials; i++) {
      const index = i32[REPORT + SPECIALS + i];
      const result = this.#special(i32[this.#records + index * STRIDE + ID_FLAGS] & 0xff, index);
      if (result !== 0) return result;
    }
    return 0;
  }

  /** A field that the parsers know was found, in the order of the head. Result: 0, or a number that ends the parse. */
  protected special(_id: number, _index: number): number {
    return 0;
  }

  /** Whether an LF came since the last call; else there is nothing to scan. Keeps byte-wise arrival linear. */
  protected lineArrived(available: number): boolean {
    const { base } = this;
    for (let i = this.seen; i < available; i++) if (u8[base + i] === LF) return true;
    return false;
  }

  /**
   * Reads every Connection field: marks what it names as DROP, sets `saysClose`,
   * `saysKeepAlive` and `upgrade`. Host and Content-Length cannot be named away, or what
   * is sent on would be framed otherwise than what was received. False: too many names.
   */
  protected applyConnection(): boolean {
    if (this.#connectionFields === 0) return true;
    const { base } = this;
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

  /**
   * Content-Length as a number; -1 when it is none. Zeros in front are taken off the field:
   * who gets it next might read them as octal, or count digits.
   */
  protected announced(): number {
    const { base } = this;
    const start = base + this.valueStart(this.lengthField);
    const end = base + this.valueEnd(this.lengthField);
    const value = parseLength(u8, start, end);
    if (u8[start] === ZERO && end - start > 1) this.#shortenLength(start, end);
    return value;
  }

  /** Whether Transfer-Encoding is "chunked" and nothing else. */
  protected isChunked(): boolean {
    const start = this.base + this.valueStart(this.codingField);
    return equalsLower(u8, start, this.base + this.valueEnd(this.codingField), 'chunked');
  }

  /** Whether the value of the field is that lower-cased text, in any case. */
  protected valueIs(index: number, lowerText: string): boolean {
    const { base } = this;
    return equalsLower(u8, base + this.valueStart(index), base + this.valueEnd(index), lowerText);
  }

  #shortenLength(start: number, end: number): void {
    const at = this.#records + this.lengthField * STRIDE;
    let from = start;
    while (from < end - 1 && u8[from] === ZERO) from++;
    i32[at + VALUE_START] = from - this.base;
    i32[at + ID_FLAGS] &= ~(CANONICAL << 8);
  }

  /** Line by line: leaves out what is ignored, and stops at the first line that is wrong. */
  #examineEach(maxFieldBytes: number, maxHeadBytes: number, maxFields: number): number {
    const count = this.fieldCount;
    const complete = i32[REPORT + scan.COMPLETE] === 1;
    const last = this.position;
    this.fieldCount = 0;
    for (let i = 0; i < count; i++) {
      const record = this.#records + i * STRIDE;
      const next = i32[record + LINE_END];
      // What is behind this line is not known yet, as far as messages go.
      this.position = i32[record];
      if (next - this.position > maxFieldBytes || next > maxHeadBytes) return FIELDS_TOO_LONG;
      const flags = i32[record + ID_FLAGS] >> 8;
      if ((flags & NO_FIELD) !== 0) return FIELDS_BAD;
      if (this.#isIgnored(flags)) continue;
      const index = this.fieldCount++;
      if (index !== i) i32.copyWithin(this.#records + index * STRIDE, record, record + STRIDE);
      if (this.fieldCount > maxFields) return FIELDS_TOO_MANY;
      const id = i32[record + ID_FLAGS] & 0xff;
      const result = id !== UNKNOWN && id <= LAST_SPECIAL ? this.#special(id, index) : 0;
      if (result !== 0) return result;
    }
    this.position = last;
    if (i32[REPORT + FULL] === 1) return FIELDS_TOO_MANY;
    return complete && last > maxHeadBytes ? FIELDS_TOO_LONG : 0;
  }

  /** Whether a field is left out for its name. */
  #isIgnored(flags: number): boolean {
    if ((flags & NAME_OTHER) !== 0) return true;
    if (!this.ignoreInvalid) return false;
    return (flags & (this.underscores ? NAME_TOKEN : NAME_TOKEN | NAME_UNDERSCORE)) !== 0;
  }

  #special(id: number, index: number): number {
    if (id === CONNECTION) {
      this.#connection(this.base + this.valueStart(index), this.base + this.valueEnd(index));
      return 0;
    }
    if (id === UPGRADE) this.#upgradeFields++;
    return this.special(id, index);
  }

  /** A value of Connection: the usual one is understood at once, others are read when all fields are known. */
  #connection(start: number, end: number): void {
    const usual =
      end - start === 10 &&
      (view.getInt32(start, true) | FOLD) === KEEP &&
      (view.getInt32(start + 4, true) | FOLD) === ALI &&
      (view.getInt32(start + 6, true) | FOLD) === LIVE;
    if (usual) this.saysKeepAlive = true;
    else this.#connectionFields++;
  }

  /** One name in Connection. */
  #option(start: number, end: number): void {
    const length = end - start;
    if (length === 10 && equalsLower(u8, start, end, 'keep-alive')) {
      this.saysKeepAlive = true;
      return;
    }
    if (length === 5 && equalsLower(u8, start, end, 'close')) {
      this.saysClose = true;
      return;
    }
    const id = identifyHeader(view, start, end);
    if (id === UPGRADE && this.#upgradeFields > 0) this.upgrade = true;
    if (id === HOST || id === CONTENT_LENGTH || HOP_IDS.includes(id)) return;
    this.connectionNames = [...this.connectionNames, latin1(u8, start, end).toLowerCase()];
    for (let i = 0; i < this.fieldCount; i++) {
      if (this.fieldId(i) !== id) continue;
      if (id !== UNKNOWN || this.#sameName(i, start, length)) {
        i32[this.#records + i * STRIDE + ID_FLAGS] |= DROP << 8;
      }
    }
  }

  #sameName(index: number, start: number, length: number): boolean {
    const name = this.lineStart(index);
    if (this.nameEnd(index) - name !== length) return false;
    for (let i = 0; i < length; i++) {
      if (lowerCase(u8[this.base + name + i]) !== lowerCase(u8[start + i])) return false;
    }
    return true;
  }
}
