/** Which virtual server a host gets, in nginx's order of precedence. */
import { describe, expect, it } from 'vitest';
import type { Exchange } from '../../../lib/module-api/index.js';
import { ServerIndex } from '../../../lib/proxy/server-index.js';
import { server } from './support.js';

/** An index of servers with these names; gives the number of the one that a host finds. */
function finder(...names: readonly (readonly string[])[]): (host: string) => number {
  const servers = names.map((each, index) => server({ names: each, index }));
  const index = new ServerIndex(servers);
  return (host) => servers.indexOf(index.find(host, {} as Exchange));
}

describe('ServerIndex', () => {
  it('needs a server', () => {
    expect(() => new ServerIndex([])).toThrow('needs a server');
  });

  it('knows its default server, and whether there is a choice', () => {
    const [one, two] = [server(), server()];
    expect(new ServerIndex([one]).single).toBe(true);
    const both = new ServerIndex([one, two]);
    expect(both.single).toBe(false);
    expect(both.defaultServer).toBe(one);
  });

  it('finds exact names and gives the first server to any other host', () => {
    const find = finder(['a.com'], ['b.com', 'www.b.com'], ['']);
    expect(find('b.com')).toBe(1);
    expect(find('www.b.com')).toBe(1);
    expect(find('a.com')).toBe(0);
    expect(find('b.com.')).toBe(0);
    expect(find('xb.com')).toBe(0);
    expect(find('')).toBe(2);
  });

  it('compares names without regard to case', () => {
    const find = finder(['default'], ['WWW.Example.COM'], ['*.Example.ORG'], ['Mail.*']);
    expect(find('www.example.com')).toBe(1);
    expect(find('a.example.org')).toBe(2);
    expect(find('mail.net')).toBe(3);
  });

  it('matches *.x below x at any depth, and not x itself', () => {
    const find = finder(['default'], ['*.example.com']);
    expect(find('a.example.com')).toBe(1);
    expect(find('a.b.example.com')).toBe(1);
    expect(find('example.com')).toBe(0);
    expect(find('.example.com')).toBe(0);
    expect(find('aexample.com')).toBe(0);
    expect(find('a.example.com.org')).toBe(0);
  });

  it('matches .x at x and below it', () => {
    const find = finder(['default'], ['.example.com']);
    expect(find('example.com')).toBe(1);
    expect(find('a.example.com')).toBe(1);
    expect(find('a.b.example.com')).toBe(1);
    expect(find('anexample.com')).toBe(0);
  });

  it('matches x.* with anything behind x, and not x itself', () => {
    const find = finder(['default'], ['mail.*']);
    expect(find('mail.com')).toBe(1);
    expect(find('mail.co.uk')).toBe(1);
    expect(find('mail')).toBe(0);
    expect(find('a.mail.com')).toBe(0);
    expect(find('mailx.com')).toBe(0);
  });

  it('takes the longest wildcard at the front', () => {
    const find = finder(['default'], ['*.com'], ['*.b.com'], ['.c.b.com']);
    expect(find('x.com')).toBe(1);
    expect(find('x.b.com')).toBe(2);
    expect(find('c.b.com')).toBe(3);
    expect(find('x.y.c.b.com')).toBe(3);
  });

  it('takes the longest wildcard at the end', () => {
    const find = finder(['default'], ['www.*'], ['www.example.*']);
    expect(find('www.other.com')).toBe(1);
    expect(find('www.example.com')).toBe(2);
    expect(find('www.example.co.uk')).toBe(2);
  });

  it('prefers exact to front, and front to end, whatever their order and length', () => {
    const find = finder(['default'], ['www.example.*'], ['*.com'], ['www.example.com']);
    expect(find('www.example.com')).toBe(3);
    expect(find('mail.example.com')).toBe(2);
    const noExact = finder(['default'], ['www.example.*'], ['*.com']);
    expect(noExact('www.example.com')).toBe(2);
    expect(noExact('www.example.org')).toBe(1);
  });

  it('leaves a name to the first server that has it', () => {
    const find = finder(['default'], ['a.com', '*.b.com', 'c.*'], ['a.com', '*.b.com', 'c.*', '.b.com']);
    expect(find('a.com')).toBe(1);
    expect(find('x.b.com')).toBe(1);
    expect(find('c.d')).toBe(1);
    expect(find('b.com')).toBe(2);
  });

  it('is not led astray by names of Object.prototype', () => {
    const find = finder(['default'], ['constructor']);
    expect(find('__proto__')).toBe(0);
    expect(find('constructor')).toBe(1);
    expect(find('tostring')).toBe(0);
  });
});
