/** The fields that modules put on a response, and what they take from a backend's. */
import { describe, expect, it } from 'vitest';
import { ResponseFields } from '../../../lib/proxy/response-fields.js';

function pairs(fields: ResponseFields): string[] {
  return Array.from({ length: fields.count }, (_, i) => `${fields.name(i)}: ${fields.value(i)}`);
}

describe('ResponseFields', () => {
  it('begins empty', () => {
    const fields = new ResponseFields();
    expect(fields.count).toBe(0);
    expect(fields.removes).toBe(false);
    expect(fields.find('x')).toBeUndefined();
  });

  it('adds in order, also a name that is there, and leaves the backend alone', () => {
    const fields = new ResponseFields();
    fields.add('X-A', '1');
    fields.add('Set-Cookie', 'a');
    fields.add('set-cookie', 'b');
    expect(pairs(fields)).toEqual(['X-A: 1', 'Set-Cookie: a', 'set-cookie: b']);
    expect(fields.removes).toBe(false);
    expect(fields.isRemoved('set-cookie')).toBe(false);
  });

  it('finds what has a name, joined, by the lower-cased name', () => {
    const fields = new ResponseFields();
    fields.add('X-Name', '1');
    fields.add('x-name', '2');
    expect(fields.find('x-name')).toBe('1, 2');
    expect(fields.find('X-Name')).toBeUndefined();
  });

  it('sets one in place of every one of that name in any case, the backend’s too', () => {
    const fields = new ResponseFields();
    fields.add('X-A', '1');
    fields.add('Other', 'o');
    fields.add('x-a', '2');
    fields.set('X-a', '3');
    expect(pairs(fields)).toEqual(['Other: o', 'X-a: 3']);
    expect(fields.isRemoved('x-a')).toBe(true);
    expect(fields.isRemoved('other')).toBe(false);
  });

  it('removes without leaving anything, and can be added to again', () => {
    const fields = new ResponseFields();
    fields.add('A', '1');
    fields.add('a', '2');
    fields.remove('A');
    fields.remove('a');
    expect(pairs(fields)).toEqual([]);
    expect(fields.removes).toBe(true);
    fields.add('A', '3');
    expect(pairs(fields)).toEqual(['A: 3']);
    // The backend's stays out.
    expect(fields.isRemoved('a')).toBe(true);
  });

  it('forgets everything with clear', () => {
    const fields = new ResponseFields();
    fields.set('A', '1');
    fields.clear();
    expect(pairs(fields)).toEqual([]);
    expect(fields.removes).toBe(false);
    expect(fields.isRemoved('a')).toBe(false);
    fields.clear();
    fields.add('B', '2');
    expect(pairs(fields)).toEqual(['B: 2']);
  });
});
