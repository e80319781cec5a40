# A search from R over HTTP; Debian: apt-get install r-base-core r-cran-curl r-cran-jsonlite.
#
#   hstore ui --api --no-browser --token-file ~/.hstore-token
#   HSTORE_API=http://127.0.0.1:8722 HSTORE_TOKEN=$(cat ~/.hstore-token) Rscript search.R EXPERIMENT

experiment <- commandArgs(trailingOnly = TRUE)[1]

call <- function(name, fields) {
  body <- jsonlite::toJSON(c(list(experiment = experiment), fields), auto_unbox = TRUE, digits = NA)
  handle <- curl::new_handle(customrequest = "POST", postfields = body)
  curl::handle_setheaders(handle, "Content-Type" = "application/json",
                          "Authorization" = paste("Bearer", Sys.getenv("HSTORE_TOKEN")))
  answer <- curl::curl_fetch_memory(paste0(Sys.getenv("HSTORE_API"), "/api/v1/", name), handle)
  said <- jsonlite::fromJSON(rawToChar(answer$content), simplifyVector = FALSE)
  if (answer$status_code != 200) stop(answer$status_code, ": ", said$error, " ", said$hint)
  said
}

# JSON has no NaN or Inf: the API takes the texts nan, inf and -inf.
number <- function(value) if (is.nan(value)) "nan" else if (is.finite(value)) value else if (value > 0) "inf" else "-inf"

# The loss after an epoch.
train <- function(params, epoch) {
  momentum <- if (params$opt == "sgd") abs(params$momentum - 0.9) else 0.5
  abs(log10(params$lr) + 2) + momentum + 1 / epoch
}

search <- list(space = list(lr = "log(1e-5, 1)", opt = "adam|sgd", momentum = "float(0, 1) if opt=sgd"),
               max_evals = 16, seed = 0, pruner = "median")
best <- Inf
repeat {
  trial <- call("ask", search)$trial
  if (is.null(trial)) break
  stopped <- FALSE
  for (epoch in 1:5) {
    loss <- train(trial$params, epoch)
    said <- call("report", list(token = trial$token, step = epoch, value = number(loss)))
    if (stopped <- said$should_stop) break
  }
  if (stopped) {
    call("tell", list(token = trial$token))
  } else {
    call("tell", list(token = trial$token, loss = number(loss)))
    best <- min(best, loss)
  }
}
cat("best loss", format(best, digits = 6), "\n")
