export const volumeRoutes = {};

export const volumeEvents = {};

export const volumeQuotas = {} as const;

export const volumeMeters = {} as const;
