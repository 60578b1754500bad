/** MQTT topics. Namespaces are enumerated so that quarantine can deny each by a literal prefix. */
/** Everything a device publishes on its own behalf, but for Jobs and its shadow. */
export const dataPrefix = (thing: string): string => `dt/${thing}/`;
export const telemetryTopic = (thing: string): string => `${dataPrefix(thing)}telemetry`;
export const commandFilter = (thing: string): string => `cmd/${thing}/#`;

const jobs = (thing: string): string => `$aws/things/${thing}/jobs`;
/** https://docs.aws.amazon.com/iot/latest/developerguide/jobs-mqtt-api.html */
export const jobTopics = {
  notify: (thing: string) => `${jobs(thing)}/notify`,
  getPending: (thing: string) => `${jobs(thing)}/get`,
  describe: (thing: string, jobId: string) => `${jobs(thing)}/${jobId}/get`,
  update: (thing: string, jobId: string) => `${jobs(thing)}/${jobId}/update`,
  /** `accepted` and `rejected` replies to all of the above. */
  replies: (thing: string) => [
    `${jobs(thing)}/get/accepted`,
    `${jobs(thing)}/get/rejected`,
    `${jobs(thing)}/+/get/accepted`,
    `${jobs(thing)}/+/get/rejected`,
    `${jobs(thing)}/+/update/accepted`,
    `${jobs(thing)}/+/update/rejected`,
  ],
};

const shadow = (thing: string): string => `$aws/things/${thing}/shadow`;
export const shadowTopics = {
  update: (thing: string) => `${shadow(thing)}/update`,
  rejected: (thing: string) => `${shadow(thing)}/update/rejected`,
};
