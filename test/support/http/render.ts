/**
 * Requests and responses as they stand in the blocks of the corpus: head lines, then an
 * empty line and the body where there is one, then trailers. See the corpus's README.
 */
import { escape } from '../../corpus/http/read-corpus.js';
import type { StrictRequest } from './strict-reader.js';

/** Between two messages of one block. */
const BETWEEN = '---';
/** Below what did not come whole. */
const UNFINISHED = '(unfinished)';

function renderBody(body: string, trailers: readonly string[]): string[] {
  if (body === '' && trailers.length === 0) return [];
  return ['', escape(body), ...trailers.map(escape)];
}

export function renderRequest(request: StrictRequest): string[] {
  const { method, target, version, lines, body, trailers } = request;
  return [...[`${method} ${target} ${version}`, ...lines].map(escape), ...renderBody(body, trailers)];
}

/** Lines of a `backend` block for what a backend received. */
export function renderRequests(
  whole: readonly StrictRequest[],
  unfinished: readonly StrictRequest[],
): string[] {
  const blocks = [
    ...whole.map(renderRequest),
    ...unfinished.map((request) => [...renderRequest(request), UNFINISHED]),
  ];
  return blocks.length === 0
    ? ['nothing']
    : blocks.flatMap((lines, i) => (i > 0 ? [BETWEEN, ...lines] : lines));
}
