/** Cookies that a backend sets. */

/**
 * The value of the first Set-Cookie field that sets a cookie of that name, compared
 * without regard to case; undefined when none does.
 */
export function setCookieOf(fields: readonly string[], name: string): string | undefined {
  const wanted = name.toLowerCase();
  for (const field of fields) {
    const semicolon = field.indexOf(';');
    const pair = semicolon < 0 ? field : field.slice(0, semicolon);
    const equals = pair.indexOf('=');
    if (equals < 0 || trimSpaces(pair.slice(0, equals)).toLowerCase() !== wanted) continue;
    return trimSpaces(pair.slice(equals + 1));
  }
  return undefined;
}

/** As nginx reads them, tabs are part of a name or a value. An expression would try every run of spaces inside as the last one. */
function trimSpaces(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && text[start] === ' ') start++;
  while (end > start && text[end - 1] === ' ') end--;
  return text.slice(start, end);
}
