export const provisioningRoutes = {};
