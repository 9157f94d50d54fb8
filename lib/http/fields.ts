/**
 * Flags of a field, and the classes of bytes in field names.
 */

/** The line is exactly `Name: value CRLF`: it can be passed on as it stands. */
export const CANONICAL = 1;
/** The field belongs to this hop and is not passed on (RFC 9110 section 7.6.1). */
export const DROP = 2;

/** A letter, a digit or '-': what nginx accepts in names without further ado. */
export const NAME_PLAIN = 0;
/** '_' */
export const NAME_UNDERSCORE = 1;
/** Another token byte (RFC 9110 section 5.6.2): "!#$%&'*+.^`|~". */
export const NAME_TOKEN = 2;
/** A byte that no name holds, but no danger to the framing: delimiters and bytes >= 0x80. */
export const NAME_OTHER = 3;
/** SP, control bytes, DEL. */
export const NAME_FORBIDDEN = 4;

/** Class of every byte as part of a field name. */
export const NAME_CLASS: Uint8Array = new Uint8Array(256).map((_, byte) => {
  if (byte <= 0x20 || byte === 0x7f) return NAME_FORBIDDEN;
  const char = String.fromCharCode(byte);
  if (/[A-Za-z0-9-]/.test(char)) return NAME_PLAIN;
  if (char === '_') return NAME_UNDERSCORE;
  return /[!#$%&'*+.^`|~]/.test(char) ? NAME_TOKEN : NAME_OTHER;
});

/** 1 for the bytes of a token. */
export const TOKEN: Uint8Array = NAME_CLASS.map((kind) => (kind <= NAME_TOKEN ? 1 : 0));
