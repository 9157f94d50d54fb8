/**
 * The variables that belong to no feature: of the request, the connection, the
 * response, the backend, and of time and process. `$proxy_*` are the proxy module's.
 */
import type { Module } from '../../module-api/index.js';
import { connectionVariables } from './connection.js';
import { processVariables } from './process.js';
import { requestVariables } from './request.js';
import { responseVariables } from './response.js';
import { upstreamVariables } from './upstream.js';

export const variablesModule: Module = {
  name: 'variables',
  directives: [],
  variables: [
    ...requestVariables,
    ...connectionVariables,
    ...responseVariables,
    ...upstreamVariables,
    ...processVariables,
  ],
};
