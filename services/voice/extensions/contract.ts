export const extensionRoutes = {};
