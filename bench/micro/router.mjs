// How long it takes to find the location of a path among 1, 20 and 200; see harness.mjs.
import { host } from '../../dist/lib/native/host.js';
import { LocationIndex } from '../../dist/lib/proxy/location-index.js';
import { measure } from './harness.mjs';

const location = (name, kind = 'prefix') => ({ name, kind });

/** "/", then folders of which every fifth holds one more. */
function locations(count) {
  const names = ['/'];
  for (let i = 1; names.length < count; i++) {
    names.push(`/service${i}/`);
    if (i % 5 === 0 && names.length < count) names.push(`/service${i}/inner/`);
  }
  return names.map((name) => location(name));
}

for (const count of [1, 20, 200]) {
  const all = locations(count);
  const index = new LocationIndex({ locations: all, fallback: location('', 'server') });
  const last = all.at(-1);
  const paths = { first: '/1k', last: `${last.name}page.html`, 'none of the folders': '/zzz/page.html' };
  for (const [what, path] of Object.entries(paths)) {
    const { window } = host.layout;
    host.u8.set(Buffer.from(path, 'latin1'), window);
    const exchange = { uri: path };
    const expected = what === 'last' ? last : all[0];
    await measure(`${count} locations, ${what}`, () => {
      const found = index.find(window, window + path.length, exchange);
      if (found !== expected) throw new Error(`${path} went to ${found.name}`);
      return found;
    });
  }
}
