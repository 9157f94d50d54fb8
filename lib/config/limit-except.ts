/** `limit_except`: reads for which methods it holds, and what it may hold. */
import { ConfigError } from './config-error.js';
import { blockArgument, type Block } from './tree.js';

const METHODS: ReadonlySet<string> = new Set(
  'GET HEAD POST PUT DELETE MKCOL COPY MOVE OPTIONS PROPFIND PROPPATCH LOCK UNLOCK PATCH'.split(' '),
);
const INSIDE: ReadonlySet<string> = new Set(['allow', 'deny', 'proxy_pass']);

/** The block of a location that other methods have, if there is one. */
export function limitBlock(location: Block): Block | undefined {
  return location.blocks.find(isLimit);
}

/** Whether a block inside a location is no location. */
export function isLimit({ node }: Block): boolean {
  return node?.name === 'limit_except';
}

/** The methods for which the location itself holds. Throws ConfigError for one that is not known, and for what may not stand inside. */
export function exceptedMethods(block: Block): ReadonlySet<string> {
  const methods = new Set<string>();
  for (let i = 0; i < (block.node?.args.length ?? 0); i++) {
    const at = blockArgument(block, i);
    const method = at.text.toUpperCase();
    if (!METHODS.has(method)) throw new ConfigError(`invalid method "${at.text}"`, at.position);
    methods.add(method);
  }
  if (methods.has('GET')) methods.add('HEAD');
  const misplaced = block.node?.block?.find(({ name }) => !INSIDE.has(name));
  if (misplaced !== undefined) {
    throw new ConfigError(
      `"${misplaced.name}" directive is not allowed here`,
      misplaced.position,
      `limit_except takes ${[...INSIDE].join(', ')}`,
    );
  }
  return methods;
}
