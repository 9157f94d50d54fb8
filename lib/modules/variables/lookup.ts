/**
 * Finds one value in a query string, a Cookie field or a field of Basic credentials.
 * Names compare without regard to case, as in nginx; values are as received.
 */

/** The value of the first argument of that name; undefined when there is none with a "=". */
export function argumentOf(args: string, name: string): string | undefined {
  const wanted = name.toLowerCase();
  const { length } = wanted;
  let begin = 0;
  while (begin < args.length) {
    let end = args.indexOf('&', begin);
    if (end < 0) end = args.length;
    const equals = begin + length;
    if (equals < end && args.charAt(equals) === '=' && args.slice(begin, equals).toLowerCase() === wanted) {
      return args.slice(equals + 1, end);
    }
    begin = end + 1;
  }
  return undefined;
}

/**
 * The value of the first cookie of that name in a Cookie field. Pairs are separated by
 * semicolons.
 */
export function cookieOf(header: string, name: string): string | undefined {
  const wanted = name.toLowerCase();
  const { length } = wanted;
  let begin = 0;
  for (;;) {
    while (header.charAt(begin) === ' ') begin++;
    if (header.slice(begin, begin + length).toLowerCase() === wanted) {
      let equals = begin + length;
      while (header.charAt(equals) === ' ') equals++;
      if (header.charAt(equals) === '=') {
        const end = header.indexOf(';', equals);
        return header.slice(equals + 1, end < 0 ? header.length : end).trimStart();
      }
    }
    const semicolon = header.indexOf(';', begin);
    if (semicolon < 0) return undefined;
    begin = semicolon + 1;
  }
}

/** The user of "Basic <base64 of user:password>"; undefined for anything else. */
export function basicUser(header: string): string | undefined {
  const encoded = /^basic +([A-Za-z0-9+/=_-]+) *$/i.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const credentials = Buffer.from(encoded, 'base64').toString('latin1');
  const colon = credentials.indexOf(':');
  return colon <= 0 ? undefined : credentials.slice(0, colon);
}
