/**
 * Flags of a field as the scanner and the parsers leave them in its record, and the bytes
 * of tokens.
 */

/** The line is exactly `Name: value CRLF`: it can be passed on as it stands. */
export const CANONICAL = 1;
/** The field belongs to this hop and is not passed on (RFC 9110 section 7.6.1). */
export const DROP = 2;
/** The line holds NUL, a control byte but HTAB, DEL, or a CR that is not followed by LF. */
export const BAD = 4;
/** The line begins with SP or HTAB. */
export const INDENTED = 8;
/** The line has no colon, or nothing before it. */
export const NAMELESS = 16;
/** The name, which is not a known one, holds '_'. */
export const NAME_UNDERSCORE = 32;
/** The same, another token byte (RFC 9110 section 5.6.2): "!#$%&'*+.^`|~". */
export const NAME_TOKEN = 64;
/** The same, a byte that no name holds, but no danger to the framing: delimiters and bytes >= 0x80. */
export const NAME_OTHER = 128;
/** The same, SP, a control byte or DEL. */
export const NAME_FORBIDDEN = 256;
/** Set by who passes the head on: this one is not, this time. */
export const HIDDEN = 512;

/** 1 for the bytes of a token. */
export const TOKEN: Uint8Array = new Uint8Array(256).map((_, byte) =>
  /[A-Za-z0-9!#$%&'*+.^`|~_-]/.test(String.fromCharCode(byte)) ? 1 : 0,
);
