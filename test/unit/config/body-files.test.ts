/** Which bodies become files, and which are read before a request is put together. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { compileText } from './helpers.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-body-files-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const CONF = (http: string): string => `events { } http { access_log off;
  client_body_temp_path ${folder}/bodies; ${http} }`;

it('are those that the rows say, and too long ones where a text names the file', async () => {
  const compiled = await compileText(
    CONF(`server { listen 80;
      location /off { }
      location /on { client_body_in_file_only on; location /on/in { } }
      location /clean { client_body_in_file_only clean; location /clean/off { client_body_in_file_only off; } }
      location /field { proxy_set_header X "a\${request_body_file}b"; location /field/in { } }
      location /if { if ($request_method = PUT) { return 200 $REQUEST_BODY_FILE; } }
      location /other { return 200 $request_body$arg_request_body_files; }
    }`),
  );
  const policies = Object.fromEntries(
    compiled.server.locations.map(({ name, bodyFile }) => [
      name,
      bodyFile && `${bodyFile.which} ${bodyFile.removal}`,
    ]),
  );
  expect(policies).toEqual({
    '/off': undefined,
    '/on': 'all never',
    '/on/in': 'all never',
    '/clean': 'all afterwards',
    '/clean/off': undefined,
    '/field': 'long at once',
    '/field/in': 'long at once',
    '/if': 'long at once',
    '/other': undefined,
  });
  const folders = compiled.server.locations.flatMap(({ bodyFile }) => bodyFile?.directory ?? []);
  expect(new Set(folders).size).toBe(1);
  expect(compiled.main.folders.map(({ path }) => path)).toEqual([`${folder}/bodies`]);
  expect(readdirSync(folder)).toEqual(['bodies']);
});

it('are read first where what is sent to a backend besides holds them', async () => {
  const { server } = await compileText(
    CONF(`server { listen 80;
      location /own { proxy_set_header X "<\${request_body}>"; location /own/in { } }
      location /answer { add_header X $request_body; }
      location /file { proxy_set_header X $request_body_file; } }`),
  );
  expect(server.locations.map(({ name, quotesBody }) => [name, quotesBody])).toEqual([
    ['/own', true],
    ['/own/in', true],
    ['/answer', false],
    ['/file', false],
  ]);
  const quoting = await compileText(
    CONF(`proxy_set_body $request_body; server { listen 80;
      location /inherits { } location /own { proxy_set_body x; proxy_method $request_body_file; } }`),
  );
  expect(quoting.server.locations.map(({ quotesBody }) => quotesBody)).toEqual([true, true]);
});

it('are chunked ones too where a backend has to know their length; their folder is made when it is needed', async () => {
  const compiled = await compileText(
    CONF('server { listen 80; location / { proxy_http_version 1.0; } }').replace('/bodies', '/lazy'),
  );
  const { bodyFile } = compiled.server.locations[0] ?? {};
  expect([bodyFile?.which, bodyFile?.removal]).toEqual(['lengthless', 'at once']);
  expect(compiled.main.folders).toEqual([bodyFile?.directory]);
  expect(readdirSync(folder)).not.toContain('lazy');
});

it('make no folder where nobody needs one', async () => {
  const compiled = await compileText(
    CONF('server { listen 80; }').replace(`${folder}/bodies`, `${folder}/unused`),
  );
  expect(compiled.main.folders).toEqual([]);
  expect(readdirSync(folder)).not.toContain('unused');
});

it('say where the folder was named when it cannot be made', async () => {
  const text = CONF('server { listen 80; client_body_in_file_only on; }');
  await expect(compileText(text.replace(`${folder}/bodies`, `${folder}/no/bodies`))).rejects.toThrow(
    `mkdir() "${folder}/no/bodies" failed (2: No such file or directory) in nginx.conf:2:3`,
  );
});
