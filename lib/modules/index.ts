/**
 * Every built-in feature, in the order in which their handlers run in a phase. For
 * content the last one that applies wins: files unless something else answers.
 */
import type { Module } from '../module-api/index.js';
import { acceptedModule } from './accepted.js';
import { accessLogModule } from './access-log.js';
import { accessModule } from './access.js';
import { addHeaderModule } from './add-header.js';
import { addTrailerModule } from './add-trailer.js';
import { bodyFileModule } from './body-file-rows.js';
import { coreModule } from './core.js';
import { errorLogModule } from './error-log.js';
import { errorPageModule } from './error-page.js';
import { keepaliveModule } from './keepalive.js';
import { expiresModule } from './expires.js';
import { ifModule } from './if.js';
import { mainModule } from './main.js';
import { mimeModule } from './mime.js';
import { minRateModule } from './min-rate.js';
import { proxyModule } from './proxy.js';
import { returnModule } from './return.js';
import { serverModule } from './server.js';
import { staticModule } from './static.js';
import { upstreamModule } from './upstream.js';
import { variablesModule } from './variables/index.js';

export const builtinModules: readonly Module[] = [
  mainModule,
  errorLogModule,
  serverModule,
  coreModule,
  bodyFileModule,
  minRateModule,
  keepaliveModule,
  mimeModule,
  errorPageModule,
  upstreamModule,
  acceptedModule,
  variablesModule,
  returnModule,
  ifModule,
  accessModule,
  staticModule,
  proxyModule,
  expiresModule,
  addHeaderModule,
  addTrailerModule,
  accessLogModule,
];
