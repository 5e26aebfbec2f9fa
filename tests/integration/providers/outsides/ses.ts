import { mailCloudOutside } from './mail-cloud.ts';

export const outside = mailCloudOutside('ses');
