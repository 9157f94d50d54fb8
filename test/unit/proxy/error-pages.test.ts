/** The pages that the proxy makes itself, and which statuses close the connection. */
import { describe, expect, it } from 'vitest';
import {
  closesConnection,
  errorPageBody,
  errorPageFor,
  shownStatus,
} from '../../../lib/proxy/error-pages.js';
import { constant, location } from './support.js';

describe('errorPageBody', () => {
  it("is nginx's page, byte by byte", () => {
    expect(errorPageBody(404, 'millrace/1.0')).toBe(
      '<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n' +
        '<center><h1>404 Not Found</h1></center>\r\n<hr><center>millrace/1.0</center>\r\n' +
        '</body>\r\n</html>\r\n',
    );
  });

  it('shows 494 to 497 as 400', () => {
    for (const status of [494, 495, 496, 497]) {
      expect(shownStatus(status)).toBe(400);
      expect(errorPageBody(status, 'm')).toBe(errorPageBody(400, 'm'));
    }
    for (const status of [200, 400, 404, 493, 498, 502]) expect(shownStatus(status)).toBe(status);
  });

  it('calls 302 Found', () => {
    expect(errorPageBody(302, 'm')).toContain('<h1>302 Found</h1>');
  });

  it('has a title without a space behind it for a status that has no name', () => {
    expect(errorPageBody(599, 'm')).toContain('<title>599</title>');
  });
});

describe('closesConnection', () => {
  it('is so where the position in the bytes of the client is unknown or unwanted', () => {
    const closing = [];
    for (let status = 200; status < 600; status++) if (closesConnection(status)) closing.push(status);
    expect(closing).toEqual([400, 408, 413, 414, 431, 494, 495, 496, 497, 500, 501]);
  });
});

describe('errorPageFor', () => {
  it('gives the rule of the status in that location', () => {
    const rule = { status: 200, target: constant('/404.html') };
    const place = location({ name: '/', errorPages: new Map([[404, rule]]) });
    expect(errorPageFor(place, 404)).toBe(rule);
    expect(errorPageFor(place, 403)).toBeUndefined();
    expect(errorPageFor(location({ name: '/' }), 404)).toBeUndefined();
  });
});
